"""Tars in webdataset's layout, see `vqspeech.data.tars`. The recordings stay in them, and are read there.

An utterance is named by its key, with `/` as `-`, and begins with its speaker: that of its description, else the folder
it is in, else it is the only one of a speaker of its own.
"""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.data.corpora.layout import make_id
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.data.tables import is_id
from vqspeech.data.tars import ENDINGS, Sample, list_tars, read_samples
from vqspeech.errors import CorpusError, StorageError
from vqspeech.storage import make_absolute

__all__ = ["ENDINGS", "list_utterances", "make_utterance", "prepare"]


def prepare(corpus: str | os.PathLike[str], nj: int = 1, share: Share | None = None) -> tuple[DataDir, Account]:
    """Return the utterances in tars, and the account of them.

    Args:
        corpus: A tar, or a folder of tars; a path or a URL.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: There are no tars, or there is nothing in them that can be used.
    """
    account = Account(f"webdataset {PurePosixPath(os.fspath(corpus)).name}")
    return measure_utterances(list_utterances(corpus, account), account, nj, share), account


def list_utterances(corpus: str | os.PathLike[str], account: Account) -> list[Utterance]:
    """Return the utterances in tars, in the order in which they are stored, without their lengths.

    Raises:
        CorpusError: There are no tars, or no recordings in them.
    """
    text = make_absolute(corpus)
    tars = list_tars(text)
    if not tars:
        raise CorpusError(f"{text}: no tar, and no tars in it; give a .tar, or the folder of some")
    found: dict[str, Utterance] = {}
    for tar in tars:
        for sample in _read_tar(tar, account):
            account.recordings += 1
            utterance = make_utterance(sample)
            if utterance is None:
                account.drop(sample.key, "a key or speaker with characters that no id may have")
            elif utterance.id in found:
                account.drop(sample.path, "another sample has the same utterance id")
            else:
                found[utterance.id] = utterance
    if not found:
        raise CorpusError(
            f"{text}: no sound files in {len(tars)} tars; samples are KEY.flac, KEY.wav or the like, with KEY.txt or "
            "KEY.json"
        )
    return list(found.values())


def _read_tar(tar: str, account: Account) -> Iterator[Sample]:
    try:
        yield from read_samples(tar, account.unreadable)
    except StorageError as error:  # the other tars are read all the same
        account.unreadable.add(tar, error)


def make_utterance(sample: Sample) -> Utterance | None:
    """Return the utterance of a sample; None where its names cannot be ids."""
    folder = PurePosixPath(sample.key).parent.name
    name = make_id(sample.key.replace("/", "-"))
    speaker = make_id((sample.speaker or folder or name).replace("/", "-"))
    if not name.startswith(speaker):
        name = f"{speaker}-{name}"
    if not is_id(name) or not is_id(speaker) or not sample.path.isprintable():
        return None
    return Utterance(name, speaker, sample.path, text=sample.text, gender=sample.gender)
