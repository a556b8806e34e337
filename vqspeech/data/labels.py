"""Labelled intervals of time, and the files that hold them in columns: `.lab`, `.phn`, `.phones`.

| ending | written by | a line | times |
|---|---|---|---|
| `.lab` | HTK, HTS | start end label ... | 100 ns, or seconds |
| `.lab`, `.phones` | ESPS xlabel (CMU ARCTIC, Buckeye) | end colour label; ... after a line `#` | seconds |
| `.phn` | TIMIT | start end label | samples at 16 kHz, or seconds |

Decimals mean seconds.
"""

import codecs
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vqspeech.errors import AlignmentError

RATES: dict[str, int] = {".lab": 10_000_000, ".phn": 16_000, ".phones": 1}
"""Units of time per second of files in columns, by ending."""
_FULL_CONTEXT = re.compile(r"^[^-]+-([^+]+)\+")
_LONGEST = 36_000
"""Seconds: greater numbers are in a smaller unit of time."""
_SHORTEST = 0.01
"""Seconds: a shorter file counts in frames or in another unit, which is not known."""
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Interval(NamedTuple):
    """`label`, from `start` to `end` (seconds)."""

    start: float
    end: float
    label: str


def read_columns(path: str | os.PathLike[str]) -> list[Interval]:
    """Return the intervals of a label file in columns, as written.

    Args:
        path: A file that ends in one of `RATES`, in either letter case.

    Raises:
        AlignmentError: A line is malformed, or the times are of no known unit; the message names the line.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1].lower()
    lines = [(number, line) for number, line in enumerate(read_lines(path), 1) if line.strip()]
    header = next((i for i, (_, line) in enumerate(lines) if line.strip() == "#"), None)
    if header is not None:
        return _read_xlabel(path, lines[header + 1 :])
    if lines and lines[0][1].startswith("#!MLF!#"):
        raise AlignmentError(f"{path}: a master label file; write each of its parts to a separate file")
    rows: list[tuple[str, str, str]] = []
    times: list[tuple[float, float]] = []
    for number, line in lines:
        fields = line.split()
        if fields[0] == "///":  # alternative transcriptions follow (HTK)
            break
        if len(fields) < 3:
            raise AlignmentError(f"{path}:{number}: want 'start end phone', not {' '.join(fields)!r}")
        times.append((parse_time(path, number, fields[0]), parse_time(path, number, fields[1])))
        rows.append((fields[0], fields[1], fields[2]))
    rate = _find_rate(path, RATES[ending], [text for row in rows for text in row[:2]])
    full = [_FULL_CONTEXT.match(label) if ending == ".lab" else None for *_, label in rows]
    return [
        Interval(start / rate, end / rate, match.group(1) if match else row[2])
        for (start, end), row, match in zip(times, rows, full, strict=True)
    ]


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return the lines of a text file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        AlignmentError: It is in another encoding.
    """
    text = read_text(path)
    if text is None:
        raise AlignmentError(f"{os.fspath(path)}: not UTF-8 text; convert it")
    return _LINE_ENDS.split(text)


def read_text(path: str | os.PathLike[str]) -> str | None:
    """Return a text file in UTF-8, or in UTF-16 with a byte order mark; None where it is neither."""
    raw = Path(path).read_bytes()
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def parse_time(path: str, number: int, text: str) -> float:
    """Return a time that is written on line `number`.

    Raises:
        AlignmentError: It is not a number, negative, or not finite.
    """
    try:
        value = float("x" if "_" in text else text)  # Python takes 1_0 for 10
    except ValueError:
        raise AlignmentError(f"{path}:{number}: {text!r} is not a time; check the order of the columns") from None
    if not 0 <= value < float("inf"):
        raise AlignmentError(f"{path}:{number}: time {text} is out of range; an utterance starts at 0")
    return value


def _read_xlabel(path: str, lines: Sequence[tuple[int, str]]) -> list[Interval]:
    """Return the intervals of ESPS's lines `end colour label`; each begins where the one before ends."""
    intervals: list[Interval] = []
    for number, line in lines:
        fields = line.split(maxsplit=2)
        if len(fields) < 2:
            raise AlignmentError(f"{path}:{number}: want 'end colour label', not {line.strip()!r}")
        start = intervals[-1].end if intervals else 0.0
        label = fields[2].partition(";")[0].strip() if len(fields) > 2 else ""
        intervals.append(Interval(start, parse_time(path, number, fields[0]), label))
    return intervals


def _find_rate(path: str, usual: int, times: Sequence[str]) -> int:
    """Return the units of time per second: the `usual` number, or 1 where the times are decimals of seconds."""
    last = max(map(float, times), default=0.0)
    fractions = any(not float(text).is_integer() for text in times)
    decimals = any("." in text or "e" in text.lower() for text in times)
    if last <= _LONGEST and (fractions or (decimals and last < _SHORTEST * usual)):
        return 1
    if times and 0 < last < _SHORTEST * usual:
        fix = "write seconds with decimals, or the unit of this format"
        raise AlignmentError(f"{path}: ends after {last:g}, {last / usual:g} s by its ending; {fix}")
    return usual
