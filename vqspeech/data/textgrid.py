"""Praat's TextGrid, in every form that Praat writes: long and short text, chronological text, binary.

To Praat a text file is a sequence of free-standing numbers and quoted strings; all else is comment. The same holds
here, and more is tolerated: a count that is too small, and faults in a tier that nobody reads.
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

import os
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqspeech.data.labels import Interval, read_text
from vqspeech.errors import AlignmentError
from vqspeech.files import write_text

_INTERVALS, _POINTS = "IntervalTier", "TextTier"
_BINARY = b"ooBinaryFile\x08TextGrid"
_CHRONOLOGICAL = '"Praat chronological TextGrid text file"'
_STRING = r'"(?:[^"]|"")*"'
_TIER = re.compile(rf'(?<!")"({_INTERVALS}|{_POINTS})"\s+(?:name\s*=\s*)?({_STRING})')
_TOKEN = re.compile(rf"{_STRING}|(?<!\S)[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?(?!\S)")
_COMMENT = re.compile(rf"({_STRING})|![^\r\n]*")
_ENOUGH = 1e-3
"""Seconds that a tier may lack at its end and still be complete."""


@dataclass(frozen=True)
class Tier:
    """A tier of a TextGrid.

    Attributes:
        name: Its name.
        read: Returns its intervals as written (none of a tier of points); raises `ValueError` where they cannot be
            read.
        points: Whether it is a tier of points.
    """

    name: str
    read: Callable[[], list[Interval]]
    points: bool = False


def read_tiers(path: str | os.PathLike[str]) -> list[Tier]:
    """Return the tiers of a TextGrid, in order.

    Text may be UTF-8, UTF-16 with a byte order mark, or Latin-1, as in old versions of Praat.

    Raises:
        AlignmentError: The file is not a TextGrid.
    """
    raw = Path(path).read_bytes()
    try:
        if raw.startswith(_BINARY):
            return _read_binary(raw)
        text = read_text(path)
        text = raw.decode("latin-1") if text is None else text
        if "\0" in text or not ('"TextGrid"' in text or _CHRONOLOGICAL in text):
            raise ValueError("it does not begin as one")
        return _read_chronological(text) if _CHRONOLOGICAL in text else _read_text(text)
    except (ValueError, struct.error, IndexError) as error:
        raise AlignmentError(f"{os.fspath(path)}: not a TextGrid that can be read ({error}); write it again") from None


def write_textgrid(
    path: str | os.PathLike[str], tiers: Mapping[str, Sequence[Interval]], seconds: float | None = None
) -> None:
    """Write a TextGrid with these interval tiers, atomically. Gaps become empty intervals, as Praat wants them.

    Args:
        path: The file.
        tiers: Intervals in order of time, by the name of the tier.
        seconds: Length of the utterance; by default, up to the last end.
    """
    last = max([seconds or 0.0, *(intervals[-1].end for intervals in tiers.values() if intervals)])
    lines = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n',
        f"xmin = 0\nxmax = {last!r}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        filled = _fill_gaps(intervals, last)
        lines.append(f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quote(name)}')
        lines.append(f"        xmin = 0\n        xmax = {last!r}\n        intervals: size = {len(filled)}")
        for n, (start, end, label) in enumerate(filled, 1):
            lines.append(f"        intervals [{n}]:\n            xmin = {float(start)!r}")
            lines.append(f"            xmax = {float(end)!r}\n            text = {_quote(label)}")
    write_text(path, "\n".join(lines) + "\n")


def _read_text(text: str) -> list[Tier]:
    """Return the tiers of long and of short text, found by their heads first, so that a fault stays within its tier."""
    heads = list(_TIER.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Tier(_unquote(head[2]), _Body(head[1], text[head.end() : end]), head[1] == _POINTS)
        for head, end in zip(heads, ends, strict=True)
    ]


@dataclass(frozen=True)
class _Body:
    """What follows the head of a tier: its start, its end, its number of intervals, and these."""

    kind: str
    text: str

    def __call__(self) -> list[Interval]:
        if self.kind == _POINTS:
            return []
        text = _COMMENT.sub(lambda match: match[1] or "", self.text) if "!" in self.text else self.text
        tokens = _TOKEN.findall(text)
        if len(tokens) < 3:
            raise ValueError("it has no start, end and number of intervals")
        _, last, count = map(_parse_number, tokens[:3])
        rest = tokens[3:]
        whole = len(rest) - len(rest) % 3
        intervals = [
            Interval(_parse_number(rest[i]), _parse_number(rest[i + 1]), _parse_string(rest[i + 2]).strip())
            for i in range(0, whole, 3)
        ]
        # The count is not trusted: what ends with the tier is complete.
        if whole < len(rest) or (len(intervals) < count and not _reaches(intervals, last)):
            what = f"it ends after interval {len(intervals)} of {count:g}"
            raise ValueError(f"{what}, at {intervals[-1].end:g} s of {last:g}" if intervals else what)
        return intervals


def _reaches(intervals: Sequence[Interval], last: float) -> bool:
    return bool(intervals) and intervals[-1].end >= last - _ENOUGH


def _read_chronological(text: str) -> list[Tier]:
    tokens = iter(_TOKEN.findall(_COMMENT.sub(lambda match: match[1] or "", text)))

    def after(what: str) -> str:
        token = next(tokens, None)
        if token is None:
            raise ValueError(f"it ends before {what}")
        return token

    for what in ("its kind", "its start", "its end"):
        after(what)
    kinds: list[str] = []
    names: list[str] = []
    for _ in range(int(_parse_number(after("the number of tiers")))):
        kinds.append(_parse_string(after("the kind of a tier")))
        names.append(_parse_string(after("the name of a tier")))
        after("the start of a tier")
        after("the end of a tier")
    intervals: list[list[Interval]] = [[] for _ in kinds]
    for token in tokens:
        tier = int(_parse_number(token)) - 1
        if not 0 <= tier < len(kinds):
            raise ValueError(f"it has no tier {token}")
        start = _parse_number(after("a time"))
        if kinds[tier] == _POINTS:
            after("a mark")
        else:
            end = _parse_number(after("a time"))
            intervals[tier].append(Interval(start, end, _parse_string(after("a label")).strip()))
    return [
        Tier(name, lambda found=found: found, kind == _POINTS)
        for name, kind, found in zip(names, kinds, intervals, strict=True)
    ]


def _read_binary(raw: bytes) -> list[Tier]:
    """Return the tiers of a binary file.

    Numbers are big-endian; strings have their length before them, or 0xFFFF, the length, and UTF-16.
    """
    at = len(_BINARY)

    def take(kind: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from(f">{kind}", raw, at)
        at += struct.calcsize(f">{kind}")
        return values

    def string(length: int) -> str:
        nonlocal at
        wide = length == 0xFFFF
        size = 2 * take("H")[0] if wide else length
        piece = raw[at : at + size]
        if len(piece) < size:
            raise ValueError("it ends within a label")
        at += size
        return piece.decode("utf-16-be" if wide else "latin-1")

    *_, count = take("dd?i")
    tiers: list[Tier] = []
    for _ in range(count):
        points = string(take("B")[0]) == _POINTS
        name = string(take("H")[0])
        *_, size = take("ddi")
        entries = [(*take("d" if points else "dd"), string(take("H")[0])) for _ in range(size)]
        found = [] if points else [Interval(start, end, label.strip()) for start, end, label in entries]
        tiers.append(Tier(name, lambda found=found: found, points))
    return tiers


def _parse_number(token: str) -> float:
    if token.startswith('"'):
        raise ValueError(f"{_parse_string(token)!r} is where a number should be")
    return float(token.rstrip("%"))


def _parse_string(token: str) -> str:
    if not token.startswith('"'):
        raise ValueError(f"{token} is where a label should be")
    return _unquote(token)


def _unquote(token: str) -> str:
    return token[1:-1].replace('""', '"')


def _quote(label: str) -> str:
    return '"{}"'.format(label.replace('"', '""'))


def _fill_gaps(intervals: Sequence[Interval], last: float) -> list[Interval]:
    filled: list[Interval] = []
    at = 0.0
    for interval in intervals:
        if interval.start > at:
            filled.append(Interval(at, interval.start, ""))
        filled.append(interval)
        at = interval.end
    return [*filled, Interval(at, last, "")] if last > at else filled
