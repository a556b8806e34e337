"""The index of a dump: a row for each utterance, in columns, so that ten million of them open in seconds.

Ids are stored as Arrow stores strings: all bytes one after the other, and where each ends.
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from vqspeech.files import replace_file

TABLE = "utterances.safetensors"
"""Name of the file with the columns."""
TEXT_TABLE = "utterances.tsv"
"""Name of the file with the rows as text, in dumps of version 2."""
_OPEN = 256
"""Files that are mapped at once: there may be thousands."""
_PART = 1 << 16


class _Strings(Sequence[str]):
    """A sequence that equals every other sequence of the same strings."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))  # noqa: B905 -- of the same length

    __hash__ = None  # type: ignore[assignment]


class Names(_Strings):
    """Strings in two arrays.

    Args:
        text: Their UTF-8, one after the other: uint8 `(bytes,)`.
        ends: Where each ends: int64 `(strings,)`.

    Raises:
        ValueError: The arrays are not such.
    """

    def __init__(self, text: np.ndarray, ends: np.ndarray):
        if text.dtype != np.uint8 or ends.dtype != np.int64 or text.ndim != 1 or ends.ndim != 1:
            raise ValueError("ids are not bytes and their ends")
        if (np.diff(ends, prepend=0, append=len(text)) < 0).any() or len(text) != (ends[-1] if len(ends) else 0):
            raise ValueError("ids do not end where they should")
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(text), 1 << 24):
            decoder.decode(text[start : start + (1 << 24)].tobytes())
        decoder.decode(b"", final=True)
        self.text, self.ends = text, ends

    @classmethod
    def pack(cls, names: Iterable[str]) -> "Names":
        """Return strings as `Names`."""
        coded = [name.encode() for name in names]
        ends = np.cumsum(np.fromiter(map(len, coded), np.int64, len(coded)), dtype=np.int64)
        return cls(np.frombuffer(b"".join(coded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            first, last, step = i.indices(len(self))
            return self._decode(first, last) if step == 1 else [self[one] for one in range(first, last, step)]
        number = range(len(self))[i]
        return self._decode(number, number + 1)[0]

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _PART):
            yield from self._decode(first, first + _PART)

    def _decode(self, first: int, last: int) -> list[str]:
        ends = self.ends[first:last].tolist()
        start = int(self.ends[first - 1]) if first else 0
        text = self.text[start : ends[-1] if ends else start].tobytes()
        return [text[one - start : end - start].decode() for one, end in zip([start, *ends], ends, strict=False)]


class Categories(_Strings):
    """Strings of which there are few different ones.

    Args:
        names: The different ones, sorted.
        numbers: Which of them each is: int32 `(strings,)`.

    Raises:
        ValueError: A number has no name.
    """

    def __init__(self, names: Sequence[str], numbers: np.ndarray):
        if numbers.ndim != 1 or numbers.dtype != np.int32:
            raise ValueError("speakers are not numbers")
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(names)):
            raise ValueError("speakers without a name")
        self.names, self.numbers = list(names), numbers

    @classmethod
    def pack(cls, strings: Iterable[str]) -> "Categories":
        """Return strings as `Categories`."""
        if isinstance(strings, Categories):
            return strings
        given = list(strings)
        names = sorted(set(given))
        index = {name: i for i, name in enumerate(names)}
        return cls(names, np.fromiter((index[name] for name in given), np.int32, len(given)))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: Any) -> Any:
        found = self.numbers[i]
        return [self.names[one] for one in found] if isinstance(i, slice) else self.names[found]

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _PART):
            for number in self.numbers[first : first + _PART].tolist():
                yield self.names[number]


class Table(NamedTuple):
    """The columns of an index.

    Attributes:
        utterances: Ids.
        speakers: Speaker of each utterance.
        shard: int64 `(utterances,)`, number of its shard.
        first: int64 `(utterances,)`, its first sample there.
        length: int64 `(utterances,)`, its samples.
    """

    utterances: Names
    speakers: Categories
    shard: np.ndarray
    first: np.ndarray
    length: np.ndarray


def make_table(rows: Sequence[Sequence[Any]]) -> Table:
    """Return rows (utterance, speaker, shard, first sample, samples) as columns.

    Raises:
        ValueError: A row has other fields.
        OverflowError: A number is too large.
    """
    numbers = np.array([[int(value) for value in row[2:]] for row in rows], dtype=np.int64).reshape(-1, 3)
    names, speakers = Names.pack(row[0] for row in rows), Categories.pack(row[1] for row in rows)
    return Table(names, speakers, *numbers.T.copy())


def join_tables(parts: Sequence[Table], offsets: Sequence[int]) -> Table:
    """Return the rows of several tables, one after the other, their shards numbered from `offsets`."""
    names = sorted({name for part in parts for name in part.speakers.names})
    index = {name: i for i, name in enumerate(names)}
    renumber = [np.array([index[name] for name in part.speakers.names], np.int32) for part in parts]
    numbers = [new[part.speakers.numbers] for new, part in zip(renumber, parts, strict=True)]
    bytes_before = np.cumsum([0, *(len(part.utterances.text) for part in parts)])
    ends = [part.utterances.ends + before for part, before in zip(parts, bytes_before, strict=False)]
    return Table(
        Names(np.concatenate([part.utterances.text for part in parts]), np.concatenate(ends)),
        Categories(names, np.concatenate(numbers)),
        np.concatenate([part.shard + offset for part, offset in zip(parts, offsets, strict=True)]),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.length for part in parts]),
    )


def write_table(folder: Path, table: Table) -> None:
    """Write the index of a dump."""
    speakers = Names.pack(table.speakers.names)
    columns = {
        "utterance.text": table.utterances.text,
        "utterance.ends": table.utterances.ends,
        "speaker": table.speakers.numbers,
        "speakers.text": speakers.text,
        "speakers.ends": speakers.ends,
        "shard": table.shard,
        "first": table.first,
        "length": table.length,
    }
    with replace_file(folder / TABLE) as temporary:
        save_file({name: np.ascontiguousarray(column) for name, column in columns.items()}, temporary)


def read_table(folder: Path, version: int) -> Table:
    """Return the index of a dump.

    Raises:
        ValueError: It is damaged.
        OverflowError: It is damaged.
        FileNotFoundError: It is missing.
    """
    if version == 2:
        text = (folder / TEXT_TABLE).read_text(encoding="utf-8")
        return make_table([line.split("\t") for line in text.splitlines()])
    (folder / TABLE).stat()
    try:
        with safe_open(folder / TABLE, "np") as file:
            names = Names(file.get_tensor("utterance.text"), file.get_tensor("utterance.ends"))
            speakers = Names(file.get_tensor("speakers.text"), file.get_tensor("speakers.ends"))
            numbers = [file.get_tensor(name) for name in ("shard", "first", "length")]
            table = Table(names, Categories(list(speakers), file.get_tensor("speaker")), *numbers)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if any(column.dtype != np.int64 or column.ndim != 1 for column in numbers) or len({*map(len, table)}) > 1:
        raise ValueError("its columns do not belong together")
    return table


class Maps(Sequence[np.ndarray]):
    """Memory-mapped files, opened when they are needed: a process may open fewer files than a dump has.

    Args:
        paths: The files.
        dtype: Type of the values in them.
        columns: Values in a row; None: the arrays have one axis.

    Raises:
        OSError: A file is missing.
    """

    def __init__(self, paths: Sequence[Path], dtype: np.dtype, columns: int | None = None):
        self.paths = paths
        self.lengths = [path.stat().st_size // dtype.itemsize // (columns or 1) for path in paths]
        self._dtype, self._columns = dtype, columns
        self._open = lru_cache(_OPEN)(self._map)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: Any) -> Any:
        return [self[one] for one in range(*i.indices(len(self)))] if isinstance(i, slice) else self._open(int(i))

    def _map(self, i: int) -> np.ndarray:
        shape = (self.lengths[i],) if self._columns is None else (self.lengths[i], self._columns)
        return np.memmap(self.paths[i], self._dtype, "r", shape=shape)
