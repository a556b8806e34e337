"""Datasets of Hugging Face, with a column of sound: by their name on the Hub, or Parquet files of this machine.

Rows are streamed, and their sound, undecoded, goes to tars (`vqspeech.data.tars`), which the data directory names. No
code comes with a dataset: `datasets` has not run any since version 4.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.data.corpora.webdataset import make_utterance
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.tars import KEYS, Sample, fill_tars, find_value, parse_gender
from vqspeech.errors import CorpusError, StorageError
from vqspeech.extras import import_extra
from vqspeech.progress import track
from vqspeech.soundfiles.reader import is_readable
from vqspeech.storage import list_files, read_file

_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg"}


def prepare(
    corpus: str | os.PathLike[str],
    store: str | os.PathLike[str],
    subset: str | None = None,
    split: str = "train",
    revision: str | None = None,
    nj: int = 1,
) -> tuple[DataDir, Account]:
    """Return the utterances of a dataset, and the account of it.

    Args:
        corpus: `org/name` on the Hub; or Parquet files, one or a folder of them, all of which are taken.
        store: Folder for the recordings.
        subset: Configuration of the dataset, where it has several.
        split: Part of it.
        revision: Branch, tag or commit; a commit pins the data.
        nj: Number of processes that read the recordings' headers.

    Raises:
        CorpusError: There is no such dataset, it has no column of sound, or nothing in it can be used.
        MissingExtra: datasets is not installed.
    """
    account = Account(f"dataset {corpus}")
    rows, column = _open_rows(os.fspath(corpus), subset, split, revision)
    sounds = _read_rows(rows, column, account)
    utterances = list(fill_tars(track(sounds, "rows"), Path(store)))
    return measure_utterances(utterances, account, nj), account


def _open_rows(
    corpus: str, subset: str | None, split: str, revision: str | None
) -> tuple[Iterable[Mapping[str, Any]], str]:
    """Return the rows of a dataset, and the name of the column of sound in them."""
    datasets = import_extra("datasets", "datasets")
    try:
        if os.path.exists(corpus):
            files = [name for name in list_files(corpus) if name.endswith(".parquet")]
            if not files:
                raise CorpusError(f"{corpus}: holds no .parquet; give the name of a dataset, or its Parquet files")
            rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        else:
            rows = datasets.load_dataset(corpus, subset, split=split, revision=revision, streaming=True)
        features = rows.features or {}
        column = next((name for name, kind in features.items() if _is_sound(kind)), None)
        if column is None:
            raise CorpusError(f"{corpus}: no column of sound among {', '.join(features) or 'none'}; choose another set")
        rows = rows.cast_column(column, datasets.Audio(decode=False))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CorpusError(f"{corpus}: cannot be opened ({reason}); check name, subset, split and connection") from None
    labels = {name: kind.names for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}
    wanted = {column, *(key for keys in KEYS.values() for key in keys)} & set(features)
    return _name_labels(rows.select_columns(sorted(wanted)), labels), column


def _is_sound(kind: Any) -> bool:
    return type(kind).__name__ == "Audio" or (isinstance(kind, dict) and {"bytes", "path"} == set(kind))


def _name_labels(rows: Iterable[Mapping[str, Any]], labels: Mapping[str, list[str]]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        named = {name: names[row[name]] for name, names in labels.items() if row.get(name) is not None}
        yield {**row, **named}


def _read_rows(
    rows: Iterable[Mapping[str, Any]], column: str, account: Account
) -> Iterator[tuple[Utterance, str, bytes]]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        account.recordings += 1
        sound = row[column] or {}
        name = str(sound.get("path") or "")
        key = find_value(row, "id") or PurePosixPath(name).stem or f"{number:08d}"
        text = " ".join((find_value(row, "text") or "").split()) or None
        sample = Sample(key, "-", find_value(row, "speaker"), text, parse_gender(find_value(row, "gender")))
        utterance = make_utterance(sample)
        if utterance is None:
            account.drop(ascii(key), "an id or speaker with characters that a data directory may not have")
        elif utterance.id in seen:
            account.drop(utterance.id, "another row has the same utterance id")
        else:
            try:
                content = sound.get("bytes") or _read_file(name)
            except (OSError, StorageError) as error:
                account.unreadable.add(utterance.id, error)
                continue
            seen.add(utterance.id)
            yield utterance, _find_ending(name, content), content


def _read_file(name: str) -> bytes:
    if not name:
        raise StorageError("a row without sound; leave it out")
    return read_file(name)


def _find_ending(name: str, content: bytes) -> str:
    ending = PurePosixPath(name).suffix.lower()
    return ending if is_readable(ending) else _MAGIC.get(content[:4], ".mp3")
