"""CTM files (NIST, Kaldi): lines `utterance channel start duration label [confidence [type [speaker]]]`.

One file holds many utterances, and a corpus may have many files. A file is read once; only the positions of the lines
of each utterance are kept, so utterances can be read in any order at no cost.
"""

import codecs
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from vqspeech.data.labels import Interval, parse_time
from vqspeech.errors import AlignmentError
from vqspeech.files import write_text

_FIELDS = range(5, 9)
_COMMENTS = (b";;", b"#")


@dataclass
class Index:
    """The contents of a CTM file.

    Attributes:
        spans: (first byte, byte after the last) of the lines of each utterance.
        labels: How often each label occurs in the whole file.
        faults: What is wrong with the lines of an utterance.
    """

    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)


def index_ctm(path: str | os.PathLike[str]) -> Index:
    """Return the contents of a CTM file, cached until the file changes.

    A line that cannot be read makes the utterance that it names unreadable; one whose columns are wrong too, and that
    names no utterance of the file, also that of the line before. Comments (`;;`, `#`) and a first line of column names
    are left out.

    Raises:
        AlignmentError: The file is in an encoding that does not include ASCII.
    """
    status = os.stat(path)
    return _read_index(os.fspath(path), status.st_mtime_ns, status.st_size)


def read_ctm(path: str | os.PathLike[str], utterance: str | None = None) -> list[Interval]:
    """Return the intervals of one utterance as written; none where the file is empty.

    Args:
        path: The file.
        utterance: The id; may be left out where there is only one.

    Raises:
        AlignmentError: The utterance is missing, must be named, or has a line that cannot be read.
    """
    path, index = os.fspath(path), index_ctm(path)
    if utterance is None:
        if len(index.spans) > 1:
            raise AlignmentError(f"{path}: holds {len(index.spans)} utterances; say which one")
        utterance = next(iter(index.spans), None)
    if index.faults and not index.spans:
        raise AlignmentError(next(iter(index.faults.values())))
    if utterance in index.faults:
        raise AlignmentError(index.faults[utterance])
    if index.spans and utterance not in index.spans:
        raise AlignmentError(f"{path}: no line of utterance {utterance}; its lines start with the utterance id")
    intervals: list[Interval] = []
    with open(path, "rb") as file:
        for first, last in index.spans.get(utterance or "", ()):
            file.seek(first)
            for line in file.read(last - first).split(b"\n"):
                fields = line.decode().split()
                if fields:
                    start = float(fields[2])
                    intervals.append(Interval(start, start + float(fields[3]), fields[4]))
    return intervals


def write_ctm(path: str | os.PathLike[str], utterance: str, intervals: Iterable[Interval]) -> None:
    """Write the intervals of one utterance, to 10 µs, in one piece."""
    lines: list[str] = []
    for start, end, label in intervals:
        # Rounding both ends, not the duration, keeps neighbours touching.
        first, last = round(start, 5), round(end, 5)
        lines.append(f"{utterance} 1 {first:.5f} {last - first:.5f} {label}\n")
    write_text(path, "".join(lines))


@cache
def _read_index(path: str, _changed: int, _size: int) -> Index:
    index = Index()
    bad: list[tuple[str, str, str]] = []  # (named utterance, one it may belong to, fault)
    at, before = 0, ""
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            first, at, line = at, at + len(raw), raw
            if number == 1:
                if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise AlignmentError(f"{path}: not UTF-8 text; convert it: iconv -f UTF-16 -t UTF-8")
                mark = len(codecs.BOM_UTF8) if line.startswith(codecs.BOM_UTF8) else 0
                first, line = first + mark, raw[mark:]
            if line.startswith(_COMMENTS):
                continue
            try:
                fields = line.decode().split()
            except UnicodeDecodeError:
                bad.append(("", before, f"{path}:{number}: not UTF-8 text; convert it"))
                continue
            if not fields:
                continue
            try:
                _check(path, number, fields)
            except AlignmentError as error:
                if number > 1 or len(fields) not in _FIELDS or any(_is_number(text) for text in fields):
                    bad.append((fields[0], "" if len(fields) in _FIELDS else before, str(error)))
                continue
            before = fields[0]
            index.labels[fields[4]] += 1
            spans = index.spans.setdefault(before, [])
            if spans and spans[-1][1] == first:
                spans[-1] = (spans[-1][0], at)
            else:
                spans.append((first, at))
    for named, previous, what in bad:
        index.faults.setdefault(named, what)
        if previous and named not in index.spans:
            index.faults.setdefault(previous, what)
    return index


def _check(path: str, number: int, fields: list[str]) -> None:
    if len(fields) not in _FIELDS:
        raise AlignmentError(f"{path}:{number}: want 'utterance channel start duration phone', not {fields}")
    for text in fields[2:4]:
        parse_time(path, number, text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
