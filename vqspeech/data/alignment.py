"""Phone alignments: which phone is spoken when, as aligners write it, and as one phone per frame.

Formats, told by their ending: `.ctm` (Kaldi), `.lab` (HTK), `.phn` (TIMIT), `.TextGrid` (Praat, MFA). Times count from
the start of the utterance.

Policy: intervals that overlap by more than half a millisecond are an error that names both, and so is speech behind the
end of the utterance; a stretch that no interval covers has no label; a label that no phone set knows is kept when read,
has no phone, and is counted by `unknown`; a `sil` or an empty label is a pause.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vqspeech.data.phones import INDEX, SILENCE, fold, parts
from vqspeech.errors import AlignmentError
from vqspeech.files import write_text

ENDINGS: tuple[str, ...] = (".ctm", ".lab", ".phn", ".TextGrid")
"""Endings of the files that `read` reads."""
NO_PHONE = -1
"""Index of a frame without a phone."""

_HTK_RATE = 10_000_000
_TIMIT_RATE = 16_000
_TOLERANCE = 5e-4
_OVERSHOOT = 0.1
_FULL_CONTEXT = re.compile(r"^[^-]+-([^+]+)\+")
_TIERS = {"phones": r"\bphon(e|eme)s?$|^segments?$", "words": r"\bwords?$|^ort$", "scores": r"^scores$"}
_NO_WORDS = ("", "<eps>", "<sil>", "sil", "sp")


class Interval(NamedTuple):
    """`label`, from `start` to `end` (seconds)."""

    start: float
    end: float
    label: str


def read(path: str | os.PathLike, utterance: str | None = None) -> list[Interval]:
    """The labelled intervals of an alignment file, in order of time, with the labels as written.

    `utterance` picks the lines of one utterance from a `.ctm` of many. Intervals without duration are left out. Raises
    `AlignmentError`, naming file, line and fix, for files that are missing, of another format, malformed or empty, and
    for intervals that overlap.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1].lower()
    if not os.path.isfile(path):
        raise AlignmentError(f"{path}: no such file; correct the path in utt2ali or take the line out")
    if ending == ".ctm":
        intervals = _of_utterance(path, utterance)
    elif ending in (".lab", ".phn"):
        intervals = _columns(path, _HTK_RATE if ending == ".lab" else _TIMIT_RATE)
    elif ending == ".textgrid":
        intervals = _textgrid(path)["phones"]
    else:
        raise AlignmentError(f"{path}: no alignment format known by this ending; known are {' '.join(ENDINGS)}")
    return _checked(path, intervals)


def read_words(path: str | os.PathLike) -> list[Interval]:
    """The words of a TextGrid, from its tier `words`, without pauses; none where it has no such tier.

    Raises `AlignmentError` as `read` does.
    """
    path = os.fspath(path)
    intervals = _textgrid(path).get("words", [])
    return [word for word in _checked(path, intervals) if word.label.lower() not in _NO_WORDS] if intervals else []


def read_scores(path: str | os.PathLike) -> list[Interval]:
    """The words of a TextGrid that `vqspeech.data.aligner` made, labelled by their scores, from its tier `scores`; none
    where it has no such tier.

    Raises `AlignmentError` as `read` does.
    """
    path = os.fspath(path)
    scores = [interval for interval in _textgrid(path).get("scores", []) if interval.label]
    try:
        [float(interval.label) for interval in scores]
    except ValueError as error:
        raise AlignmentError(f"{path}: tier 'scores': {error}; remove the file, to align it again") from None
    return scores


def ctm_utterances(path: str | os.PathLike) -> list[str]:
    """The ids of the utterances in a `.ctm`. Raises `AlignmentError` as `read` does."""
    path = os.fspath(path)
    return list(_ctm(path, os.stat(path).st_mtime_ns))


def within(intervals: Sequence[Interval], seconds: float) -> list[Interval]:
    """The intervals up to the end of the utterance, at `seconds`, which cuts the last one.

    Raises `AlignmentError` where anything but a pause lies more than 0.1 s behind the end: such times are not of this
    utterance.
    """
    for start, end, label in intervals:
        if end > seconds + _OVERSHOOT and fold(label) != SILENCE:
            what = f"{label!r} from {start:.3f} to {end:.3f} s lies behind the end of the utterance at {seconds:.3f} s"
            raise AlignmentError(f"{what}; correct its alignment, or leave the utterance out")
    return [i._replace(end=min(i.end, seconds)) for i in intervals if i.start < seconds]


def frame_phones(intervals: Iterable[Interval], frames: int, rate: float, source: str | None = None) -> np.ndarray:
    """Index of the phone (`phones.INDEX`) at the middle of each frame: int64, `(frames,)`.

    Frame n lasts from n / `rate` to (n + 1) / `rate` seconds. `NO_PHONE` where no interval covers the middle or its
    label is unknown. A label for several phones is shared out evenly. `source` as in `phones.parts`.
    """
    starts, ends, phones = [], [], []
    for start, end, label in intervals:
        names = parts(label, source) or ()
        edges = np.linspace(start, end, len(names) + 1)
        starts.extend(edges[:-1])
        ends.extend(edges[1:])
        phones.extend(INDEX[name] for name in names)
    found = np.full(frames, NO_PHONE, dtype=np.int64)
    if phones:
        middles = (np.arange(frames) + 0.5) / rate
        at = np.searchsorted(starts, middles, side="right") - 1
        inside = (at >= 0) & (middles < np.asarray(ends)[at])
        found[inside] = np.asarray(phones)[at[inside]]
    return found


def unknown(intervals: Iterable[Interval], source: str | None = None) -> Counter[str]:
    """How often each label without a phone occurs."""
    return Counter(label for _, _, label in intervals if parts(label, source) is None)


def write_ctm(path: str | os.PathLike, utterance: str, intervals: Iterable[Interval]) -> None:
    """Writes Kaldi's `utterance channel start duration label` lines, to 10 µs, in one piece."""
    lines = []
    for start, end, label in intervals:
        # Rounding both ends, not the duration, keeps neighbours touching.
        first, last = round(start, 5), round(end, 5)
        lines.append(f"{utterance} 1 {first:.5f} {last - first:.5f} {label}\n")
    write_text(path, "".join(lines))


def write_textgrid(
    path: str | os.PathLike, tiers: Mapping[str, Sequence[Interval]], seconds: float | None = None
) -> None:
    """Writes a Praat TextGrid with these interval tiers, by name, that lasts `seconds` (to the last end), in one piece.

    Gaps become empty intervals, as Praat wants them.
    """
    last = max([seconds or 0.0, *(intervals[-1].end for intervals in tiers.values() if intervals)])
    lines = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n',
        f"xmin = 0\nxmax = {last!r}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        filled = _without_gaps(intervals, last)
        lines.append(f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}')
        lines.append(f"        xmin = 0\n        xmax = {last!r}\n        intervals: size = {len(filled)}")
        for n, (start, end, label) in enumerate(filled, 1):
            lines.append(f"        intervals [{n}]:\n            xmin = {float(start)!r}")
            lines.append(f"            xmax = {float(end)!r}\n            text = {_quoted(label)}")
    write_text(path, "\n".join(lines) + "\n")


def _without_gaps(intervals: Sequence[Interval], last: float) -> list[Interval]:
    filled: list[Interval] = []
    at = 0.0
    for interval in intervals:
        if interval.start > at:
            filled.append(Interval(at, interval.start, ""))
        filled.append(interval)
        at = interval.end
    return [*filled, Interval(at, last, "")] if last > at else filled


def _quoted(label: str) -> str:
    return '"{}"'.format(label.replace('"', '""'))


def _of_utterance(path: str, utterance: str | None) -> list[Interval]:
    by_utterance = _ctm(path, os.stat(path).st_mtime_ns)
    if len(by_utterance) == 1 and utterance is None:
        return next(iter(by_utterance.values()))
    if utterance in by_utterance:
        return by_utterance[utterance]
    if utterance is None and by_utterance:
        raise AlignmentError(f"{path}: holds {len(by_utterance)} utterances; say which one")
    if utterance is not None and by_utterance:
        raise AlignmentError(f"{path}: no line of utterance {utterance}; its lines start with the utterance id")
    return []


@lru_cache(maxsize=8)
def _ctm(path: str, _changed: int) -> dict[str, list[Interval]]:
    by_utterance: dict[str, list[Interval]] = {}
    for number, fields in _lines(path):
        if len(fields) not in (5, 6):
            raise AlignmentError(f"{path}:{number}: want 'utterance channel start duration phone', not {fields}")
        start, duration = _number(path, number, fields[2]), _number(path, number, fields[3])
        by_utterance.setdefault(fields[0], []).append(Interval(start, start + duration, fields[4]))
    return by_utterance


def _columns(path: str, rate: int) -> list[Interval]:
    intervals = []
    for number, fields in _lines(path):
        if len(fields) < 3:
            raise AlignmentError(f"{path}:{number}: want 'start end phone', not {' '.join(fields)!r}")
        start, end = _number(path, number, fields[0]) / rate, _number(path, number, fields[1]) / rate
        full = _FULL_CONTEXT.match(fields[2]) if rate == _HTK_RATE else None
        intervals.append(Interval(start, end, full.group(1) if full else fields[2]))
    return intervals


def _textgrid(path: str) -> dict[str, list[Interval]]:
    """The tiers that have a known name; a lone tier holds the phones, whatever its name."""
    import textgrid

    try:
        grid = textgrid.TextGrid.fromFile(path)
    except Exception as error:  # the package lets whatever its parser meets through
        raise AlignmentError(f"{path}: not a TextGrid that can be read ({error}); write it again") from None
    tiers = [tier for tier in grid if isinstance(tier, textgrid.IntervalTier)]
    found = {}
    for name, pattern in _TIERS.items():
        chosen = [tier for tier in tiers if re.search(pattern, str(tier.name).strip(), re.IGNORECASE)]
        chosen = chosen or (tiers if name == "phones" and len(tiers) == 1 else [])
        if len(chosen) == 1:
            found[name] = [Interval(float(i.minTime), float(i.maxTime), str(i.mark).strip()) for i in chosen[0]]
    if "phones" not in found:
        names = ", ".join(repr(tier.name) for tier in grid)
        raise AlignmentError(f"{path}: want one tier named 'phones', found {names or 'none'}; rename the right one")
    return found


def _lines(path: str) -> list[tuple[int, list[str]]]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError:
        raise AlignmentError(f"{path}: not UTF-8 text; convert it") from None
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def _number(path: str, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise AlignmentError(f"{path}:{number}: {text!r} is no time; check the order of the columns") from None
    if not 0 <= value < float("inf"):
        raise AlignmentError(f"{path}:{number}: time {text} is out of range; an utterance starts at 0")
    return value


def _checked(path: str, intervals: list[Interval]) -> list[Interval]:
    if not intervals:
        raise AlignmentError(f"{path}: no intervals; align the utterance again or take it out of utt2ali")
    for start, end, label in intervals:
        if end < start - _TOLERANCE:
            raise AlignmentError(f"{path}: {label!r} starts at {start:.4f} s and ends at {end:.4f} s; correct it")
    checked: list[Interval] = []
    for interval in sorted(intervals):
        if interval.end <= interval.start:
            continue
        if checked and interval.start < checked[-1].end - _TOLERANCE:
            first = checked[-1]
            raise AlignmentError(
                f"{path}: {first.label!r} ({first.start:.4f} to {first.end:.4f} s) and {interval.label!r} "
                f"({interval.start:.4f} to {interval.end:.4f} s) overlap; correct one of them"
            )
        if checked and interval.start < checked[-1].end:
            checked[-1] = checked[-1]._replace(end=interval.start)
        checked.append(interval)
    return checked
