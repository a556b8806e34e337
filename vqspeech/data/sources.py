"""Utterances from wherever they are described: data directories, tars of webdataset, manifests of lhotse."""

import os
from types import ModuleType

from vqspeech.data.corpora import lhotse, webdataset
from vqspeech.data.corpora.account import Account
from vqspeech.data.datadir import DataDir
from vqspeech.jobs import Skipped
from vqspeech.storage import is_remote, list_files

KINDS = "data directory; or tars of webdataset (a folder, a .tar), lhotse's manifests or Shar (a folder, a .jsonl.gz)"
"""What `read_data` reads, for help texts."""


def read_data(path: str | os.PathLike[str], skipped: Skipped) -> DataDir:
    """Return the utterances that a path or URL describes. No recording is opened.

    Args:
        path: A data directory; a tar in webdataset's layout, or a folder of them; a manifest of lhotse, a folder of
            them, or of Shar.
        skipped: Where samples that cannot be used are recorded.

    Raises:
        DataDirError: It is none of these, or has a fault.
        CorpusError: It is one of the last two, and nothing in it can be used.
    """
    module = _find_reader(os.fspath(path))
    if module is None:
        return DataDir.read(path)
    account = Account(os.fspath(path), unreadable=skipped)
    data = DataDir(module.list_utterances(path, account))
    for reason, names in account.dropped.items():
        for name in names:
            skipped.add(name, reason)
    return data


def _find_reader(path: str) -> ModuleType | None:
    if path.endswith(lhotse.ENDINGS):
        return lhotse
    if path.endswith(webdataset.ENDINGS):
        return webdataset
    if not (is_remote(path) or os.path.isdir(path)):
        return None
    names = [name.rpartition("/")[2] for name in list_files(path)]
    if "wav.scp" in names:
        return None
    if any(lhotse.is_manifest(name) for name in names):
        return lhotse
    return webdataset if any(name.endswith(webdataset.ENDINGS) for name in names) else None
