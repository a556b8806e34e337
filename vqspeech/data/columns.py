"""The files of a data directory in columns, so that ten million utterances open in seconds and take little memory.

`read_columns` takes files as `DataDir.write` writes them: UTF-8, sorted, one line `id value` each, and without a fault.
Others are read by `vqspeech.data.tables`, row by row, which names their faults. The values of large files stay there,
mapped into memory, and are decoded when they are needed.
"""

import codecs
import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from itertools import chain, count, islice, pairwise
from operator import lt
from pathlib import Path

import numpy as np

from vqspeech.data.dump_index import Categories, Names
from vqspeech.data.tables import GENDERS, SLACK, Fault, is_id, read_table
from vqspeech.data.utterance import Utterance
from vqspeech.files import restore_folder

_BLOCK = 1 << 22
"""Bytes of a file that are read at once."""
_PART = 1 << 16
"""Rows that are decoded at once."""
_MAPPED = 1 << 26
"""Bytes from which a file is mapped, not read: a network may lose it."""
_ALIGNED = 64
"""Blanks before or after a value above which a file is left to `tables`."""
_STRANGE = re.compile(r"[^\S\n]|[\x7f-\x9f]")
_PLAIN = bytes(one for one in range(33, 127) if one != ord("/")) + b"\n"
"""Bytes of ids, each with the end of its line, that need no closer look."""


class _Unusual(Exception):
    """A file is not as `DataDir.write` writes it."""


@dataclass(frozen=True)
class _Values:
    """The values of a file.

    Attributes:
        text: The file: uint8 `(bytes,)`.
        starts: Where each value begins: int64 `(lines,)`.
        ends: Where it ends: int64 `(lines,)`.
        rows: Line of each utterance, -1 for none: int32 `(utterances,)`; None: the same line.
    """

    text: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, first: int, last: int) -> list[str | None]:
        """Return the values of utterances `first` to `last`."""
        if self.rows is None:
            return [value.decode() for value in self.take_lines(first, last)]
        found = self.rows[first:last].tolist()
        return [None if i < 0 else self.text[self.starts[i] : self.ends[i]].tobytes().decode() for i in found]

    def take_lines(self, first: int, last: int) -> list[bytes]:
        """Return the values of lines `first` to `last`."""
        starts, ends = self.starts[first:last].tolist(), self.ends[first:last].tolist()
        if not starts:
            return []
        begin, text = starts[0], self.text[starts[0] : ends[-1]].tobytes()
        return [text[start - begin : end - begin] for start, end in zip(starts, ends, strict=True)]

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the values of all lines, many at once."""
        for first in range(0, len(self), _PART):
            yield self.take_lines(first, first + _PART)


class Columns(Mapping[str, Utterance]):
    """Utterances by id, in the order of ids, which are made when they are asked for.

    Args:
        ids: Ids, sorted.
        speakers: Speaker of each.
        genders: Gender by speaker, as far as known.
        recordings: Paths.
        times: Start and end of each in its recording (seconds), NaN for the end of the recording:
            float64 `(2, utterances)`; None: all are whole recordings.
        texts: Transcripts, if any.
        alignments: Paths of alignments, if any.
        seconds: Lengths, NaN where unknown: float64 `(utterances,)`.
    """

    def __init__(
        self,
        ids: Names,
        speakers: Categories,
        genders: Mapping[str, str],
        recordings: _Values,
        times: np.ndarray | None,
        texts: _Values | None,
        alignments: _Values | None,
        seconds: np.ndarray,
    ):
        self.ids, self.speakers, self.genders, self.seconds = ids, speakers, genders, seconds
        self._recordings, self._times, self._texts, self._alignments = recordings, times, texts, alignments

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __getitem__(self, name: str) -> Utterance:
        i = bisect_left(self.ids, name)
        if i == len(self.ids) or self.ids[i] != name:
            raise KeyError(name)
        return self.take(i, i + 1)[0]

    def values(self) -> ValuesView[Utterance]:
        """Return the utterances."""
        return _Rows(self)

    def items(self) -> ItemsView[str, Utterance]:
        """Return the utterances with their ids."""
        return _Items(self)

    def take(self, first: int, last: int) -> list[Utterance]:
        """Return utterances `first` to `last`."""
        ids, speakers = self.ids[first:last], self.speakers[first:last]
        nothing: list[None] = [None] * len(ids)
        starts, ends = [0.0] * len(ids), nothing
        if self._times is not None:
            starts, ends = (row[first:last].tolist() for row in self._times)
        texts = self._texts.take(first, last) if self._texts else nothing
        alignments = self._alignments.take(first, last) if self._alignments else nothing
        seconds = self.seconds[first:last].tolist()
        columns = ids, speakers, self._recordings.take(first, last), starts, ends, texts, alignments, seconds
        return [
            Utterance(name, speaker, path or "", start, _known(end), (text or "").strip() or None,
                      self.genders.get(speaker), alignment, _known(length))
            for name, speaker, path, start, end, text, alignment, length in zip(*columns, strict=True)
        ]  # fmt: skip


class _Rows(ValuesView[Utterance]):
    _mapping: Columns

    def __iter__(self) -> Iterator[Utterance]:
        for first in range(0, len(self._mapping), _PART):
            yield from self._mapping.take(first, first + _PART)


class _Items(ItemsView[str, Utterance]):
    _mapping: Columns

    def __iter__(self) -> Iterator[tuple[str, Utterance]]:
        for one in self._mapping.values():
            yield one.id, one


def read_columns(folder: Path) -> Columns | None:
    """Return the utterances of a data directory; None where it is not as `DataDir.write` writes it, or has a fault."""
    restore_folder(folder)
    try:
        return _read_columns(folder)
    except (_Unusual, UnicodeDecodeError, OSError):
        return None


def _read_columns(folder: Path) -> Columns:
    segmented = (folder / "segments").is_file()
    joined, recordings = _read_lines(folder / "wav.scp", is_path=True, forbidden=b"|")
    times: np.ndarray | None = None
    if segmented:
        _check_ids(joined)
        joined, recordings, times = _read_segments(folder / "segments", joined, recordings)
    _check_ids(joined)
    found, values = _read_lines(folder / "utt2spk")
    if found != joined:
        raise _Unusual
    speakers = _read_speakers(joined, values)
    del found, values
    seconds = _parse_seconds(_read_some(folder / "utt2dur", joined, len(speakers)), len(speakers))
    texts, alignments = (
        _read_some(folder / name, joined, len(speakers), is_path=name != "text") for name in ("text", "utt2ali")
    )
    ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord("\n"))
    _check_spk2utt(folder / "spk2utt", joined, ends, speakers)
    genders = _read_genders(folder / "spk2gender", speakers)
    text = np.frombuffer(joined.replace(b"\n", b""), np.uint8)
    names = Names(text, ends - np.arange(len(ends)))
    if times is not None and (np.abs(times[1] - times[0] - seconds) > SLACK).any():  # NaN is never more
        raise _Unusual
    return Columns(names, speakers, genders, recordings, times, texts, alignments, seconds)


def _read_lines(path: Path, is_path: bool = False, forbidden: bytes = b"") -> tuple[bytes, _Values]:
    """Return the ids of a file, each with a line end, and its values.

    Args:
        path: The file.
        is_path: Whether white space of any kind around a value is a fault.
        forbidden: A byte that values may not begin or end with.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    ids, starts, ends = list[bytes](), list[np.ndarray](), list[np.ndarray]()
    position, rest = 0, b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            decoder.decode(block)
            cut = block.rfind(b"\n") + 1
            if not cut:
                rest += block
                continue
            part, rest = rest + block[:cut], block[cut:]
            if b"\r" in part or (not position and part.startswith(codecs.BOM_UTF8)):
                raise _Unusual
            names, first, last = _split_lines(np.frombuffer(part, np.uint8))
            if is_path:
                _check_edges(part, first, last, forbidden)
            ids.append(names)
            starts.append(first + position)
            ends.append(last + position)
            position += len(part)
        if rest or not ids:
            raise _Unusual
        file.seek(0)
        text = np.memmap(file, np.uint8, "r") if position >= _MAPPED else np.fromfile(file, np.uint8)
    if len(text) != position:
        raise _Unusual
    return b"".join(ids), _Values(text, np.concatenate(starts), np.concatenate(ends))


def _split_lines(part: np.ndarray) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Return the ids of lines, each with a line end, and where values begin and end, without blanks around them."""
    ends = np.flatnonzero(part == ord("\n"))
    begins = np.concatenate([[0], ends[:-1] + 1])
    blanks = np.flatnonzero(_is_blank(part))
    places = np.searchsorted(blanks, begins)
    if not len(blanks) or places[-1] == len(blanks):
        raise _Unusual  # no value
    id_ends = blanks[places]
    starts = _skip_blanks(part, id_ends, 1)
    if (starts >= ends).any():
        raise _Unusual  # no value
    lengths = id_ends - begins + 1
    last = np.cumsum(lengths)
    ids = part[np.arange(last[-1]) + np.repeat(begins - (last - lengths), lengths)]
    ids[last - 1] = ord("\n")
    return ids.tobytes(), starts, _skip_blanks(part, ends - 1, -1) + 1


def _is_blank(text: np.ndarray) -> np.ndarray:
    return (text == ord(" ")) | (text == ord("\t"))


def _skip_blanks(part: np.ndarray, places: np.ndarray, step: int) -> np.ndarray:
    for _ in range(_ALIGNED):
        blank = _is_blank(part[places])
        if not blank.any():
            return places
        places = places + step * blank
    raise _Unusual


def _check_edges(part: bytes, starts: np.ndarray, ends: np.ndarray, forbidden: bytes) -> None:
    text = np.frombuffer(part, np.uint8)
    edges = np.stack([text[starts], text[ends - 1]])
    if forbidden and (edges == ord(forbidden)).any():
        raise _Unusual
    for i in np.flatnonzero(((edges < ord("!")) | (edges > ord("~"))).any(axis=0)).tolist():
        value = part[starts[i] : ends[i]].decode()
        if value != value.strip():
            raise _Unusual


def _check_ids(ids: bytes) -> None:
    """Raise `_Unusual` where ids are invalid, twice, or not sorted."""
    others = ids.translate(None, _PLAIN)
    if others and (others.translate(None, bytes(range(128))) != others or _STRANGE.search(ids.decode())):
        raise _Unusual
    previous = b""
    for names in _split_ids(ids):
        if not previous < names[0] or not all(map(lt, names, islice(names, 1, None))):
            raise _Unusual
        previous = names[-1]
    if any(line in ids or ids.startswith(line[1:]) for line in (b"\n.\n", b"\n..\n")):
        raise _Unusual


def _split_ids(ids: bytes) -> Iterator[list[bytes]]:
    """Yield ids, many at once."""
    start = 0
    while start < len(ids):
        end = ids.find(b"\n", start + _BLOCK) + 1 or len(ids)
        yield ids[start : end - 1].split(b"\n")
        start = end


def _iterate_ids(ids: bytes) -> Iterator[bytes]:
    return chain.from_iterable(_split_ids(ids))


def _read_segments(path: Path, names: bytes, recordings: _Values) -> tuple[bytes, _Values, np.ndarray]:
    """Return the ids of utterances, their recordings, and start and end of each."""
    joined, values = _read_lines(path)
    index = {name: i for i, name in enumerate(_iterate_ids(names))}
    rows, times = np.empty(len(values), np.int32), np.empty((2, len(values)))
    try:
        for i, value in enumerate(chain.from_iterable(values.blocks())):
            name, start, end = value.split()
            rows[i], times[0, i], times[1, i] = index[name], float(start), float(end)
    except (ValueError, KeyError):
        raise _Unusual from None
    open_end = times[1] == -1
    if not np.isfinite(times).all() or (times[0] < 0).any() or (~open_end & (times[1] <= times[0])).any():
        raise _Unusual
    times[1, open_end] = np.nan
    return joined, _Values(recordings.text, recordings.starts, recordings.ends, rows), times


def _read_speakers(joined: bytes, values: _Values) -> Categories:
    index: dict[bytes, int] = defaultdict(count().__next__)
    parts, names = list[np.ndarray](), _iterate_ids(joined)
    for some in values.blocks():
        if not all(map(bytes.startswith, islice(names, len(some)), some)):
            raise _Unusual
        parts.append(np.fromiter(map(index.__getitem__, some), np.int32, len(some)))
    ordered = sorted(index)
    if not all(is_id(speaker.decode()) for speaker in ordered):
        raise _Unusual
    places = np.empty(len(ordered), np.int32)
    places[[index[speaker] for speaker in ordered]] = np.arange(len(ordered))
    return Categories([speaker.decode() for speaker in ordered], places[np.concatenate(parts)])


def _read_some(path: Path, joined: bytes, count: int, is_path: bool = False) -> _Values | None:
    """Return the values of a file that may be missing, or lack utterances."""
    if not path.is_file():
        return None
    found, values = _read_lines(path, is_path)
    if found == joined:
        return values
    rows, line, others = np.full(count, -1, np.int32), 0, _iterate_ids(found)
    wanted = next(others, None)
    for i, name in enumerate(_iterate_ids(joined)):
        if name == wanted:
            rows[i], line = line, line + 1
            wanted = next(others, None)
    if wanted is not None:
        raise _Unusual  # unknown, twice, or not sorted
    return _Values(values.text, values.starts, values.ends, rows)


def _parse_seconds(values: _Values | None, count: int) -> np.ndarray:
    if values is None:
        return np.full(count, np.nan)
    try:
        numbers = np.fromiter(map(float, chain.from_iterable(values.blocks())), np.float64, len(values))
    except ValueError:
        raise _Unusual from None
    if not ((numbers > 0) & (numbers < np.inf)).all():
        raise _Unusual
    return numbers if values.rows is None else np.where(values.rows < 0, np.nan, numbers[values.rows])


def _check_spk2utt(path: Path, joined: bytes, ends: np.ndarray, speakers: Categories) -> None:
    """Raise `_Unusual` where `spk2utt` does not list the utterances of each speaker in their order."""
    if not path.is_file():
        return
    names, values = _read_lines(path)
    if [name.decode() for name in _iterate_ids(names)] != speakers.names or (np.diff(speakers.numbers) < 0).any():
        raise _Unusual
    last = np.cumsum(np.bincount(speakers.numbers, minlength=len(values)))
    bounds = [0, *(ends[last - 1] + 1).tolist()]
    for value, (start, end) in zip(chain.from_iterable(values.blocks()), pairwise(bounds), strict=True):
        if b"\n".join(value.split()) + b"\n" != joined[start:end]:
            raise _Unusual


def _read_genders(path: Path, speakers: Categories) -> dict[str, str]:
    if not path.is_file():
        return {}
    faults: list[Fault] = []
    rows = read_table(path, faults)
    if faults or not rows.keys() <= set(speakers.names) or not {row.value for row in rows.values()} <= {*GENDERS}:
        raise _Unusual
    return {speaker: row.value for speaker, row in rows.items()}


def _known(number: float | None) -> float | None:
    return None if number is None or math.isnan(number) else number
