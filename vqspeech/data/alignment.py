"""Phone alignments: intervals as aligners write them, and one phone per frame.

The format follows from the ending: `.ctm` (Kaldi), `.lab` (HTK, ESPS), `.phn` (TIMIT), `.phones` (Buckeye), `.TextGrid`
(Praat, MFA). Times count from the start of the utterance.

Rules: intervals that overlap by more than half a millisecond are an error that names both, and so is speech after the
end of the utterance; a stretch that no interval covers has no label; Kaldi's marks of the position in the word (`_B _I
_E _S`) are removed where all phones of a file have one; a label of no known phone set is kept when read, has no phone
and is counted by `count_unknown_labels`; a `sil` or an empty label is a pause; a closure and the burst after it are one
phone.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from vqspeech.data.ctm import index_ctm, read_ctm, write_ctm
from vqspeech.data.labels import RATES, Interval, read_columns
from vqspeech.data.phones import INDEX, NOISE, SILENCE, fold, is_closure_of, split_label
from vqspeech.data.textgrid import Tier, read_tiers, write_textgrid
from vqspeech.errors import AlignmentError

__all__ = ["Interval", "write_ctm", "write_textgrid"]

ENDINGS: tuple[str, ...] = (".ctm", ".lab", ".phn", ".phones", ".TextGrid")
"""Endings of the files that `read_alignment` reads."""
NO_PHONE = -1
"""Index of a frame without a phone."""
MAX_GAP = 1e-3
"""Longest gap between adjacent phones (seconds)."""

_TOLERANCE = 5e-4
_OVERSHOOT = 0.1
_POSITION = re.compile(r"(.+)_[BIES]")
_TIERS = {"phones": r"\bphon(e|eme)s?$|^segments?$", "words": r"\bwords?$|^ort$", "scores": r"^scores$"}
_NO_WORDS = ("", "<eps>", "<sil>", "sil", "sp")


def read_alignment(path: str | os.PathLike[str], utterance: str | None = None) -> list[Interval]:
    """Return the labelled intervals of an alignment file, in order of time.

    Labels are as written, except for Kaldi's marks of the position in the word; intervals without duration are left
    out.

    Args:
        path: The file.
        utterance: Id of the utterance, for a `.ctm` that holds several.

    Raises:
        AlignmentError: The file is missing, of another format, malformed or empty, or intervals overlap; the message
            names file, line and fix.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1].lower()
    if not os.path.isfile(path):
        raise AlignmentError(f"{path}: no such file; correct the path in utt2ali or take the line out")
    if ending == ".ctm":
        intervals = read_ctm(path, utterance)
        labels: Iterable[str] = index_ctm(path).labels  # one utterance may be too short to decide
    elif ending in RATES:
        intervals = read_columns(path)
        labels = {interval.label for interval in intervals}
    elif ending == ".textgrid":
        intervals = _select_intervals(path, read_tiers(path), "phones")
        labels = {interval.label for interval in intervals}
    else:
        raise AlignmentError(f"{path}: no alignment format known by this ending; known are {' '.join(ENDINGS)}")
    checked = _check_intervals(path, intervals)
    return [i._replace(label=_strip_position(i.label)) for i in checked] if _have_positions(labels) else checked


def read_words(path: str | os.PathLike[str]) -> list[Interval]:
    """Return the words of a TextGrid, from its tier `words`, without pauses; none where it has no such tier.

    Raises:
        AlignmentError: As in `read_alignment`.
    """
    path = os.fspath(path)
    intervals = _select_intervals(path, read_tiers(path), "words")
    return (
        [word for word in _check_intervals(path, intervals) if word.label.lower() not in _NO_WORDS] if intervals else []
    )


def read_scores(path: str | os.PathLike[str]) -> list[Interval]:
    """Return the words of a TextGrid of our aligner, labelled by their scores (tier `scores`); none without that tier.

    Raises:
        AlignmentError: As in `read_alignment`.
    """
    path = os.fspath(path)
    scores = [interval for interval in _select_intervals(path, read_tiers(path), "scores") if interval.label]
    try:
        [float(interval.label) for interval in scores]
    except ValueError as error:
        raise AlignmentError(f"{path}: tier 'scores': {error}; remove the file, to align it again") from None
    return scores


def has_phones(path: str | os.PathLike[str], utterance: str) -> bool:
    """Return whether most labels of an alignment file, except pauses, are phones: a CTM may hold words.

    Args:
        path: The file; one that cannot be read has no phones.
        utterance: As in `read_alignment`.
    """
    try:
        if os.fspath(path).lower().endswith(".ctm"):
            labels = index_ctm(path).labels
            marked = _have_positions(labels)
            counts = Counter({_strip_position(k) if marked else k: n for k, n in labels.items()})
        else:
            counts = Counter(interval.label for interval in read_alignment(path, utterance))
    except AlignmentError:
        return False
    known = sum(n for label, n in counts.items() if _is_speech(label) and split_label(label) is not None)
    strange = sum(n for label, n in counts.items() if split_label(label) is None)
    return known > strange


def clip_intervals(intervals: Sequence[Interval], seconds: float) -> list[Interval]:
    """Return the intervals up to the end of the utterance, where the last one is cut.

    Args:
        intervals: In order of time.
        seconds: Length of the utterance.

    Raises:
        AlignmentError: Speech lies more than 0.1 s after the end, so that the times are not of this utterance.
    """
    for start, end, label in intervals:
        if end > seconds + _OVERSHOOT and fold(label) != SILENCE:
            what = f"{label!r} from {start:.3f} to {end:.3f} s is after the end of the utterance at {seconds:.3f} s"
            raise AlignmentError(f"{what}; correct its alignment, or leave the utterance out")
    return [i._replace(end=min(i.end, seconds)) for i in intervals if i.start < seconds]


def merge_phones(intervals: Iterable[Interval], source: str | None = None) -> list[tuple[str, float, float]]:
    """Return the phones of labelled intervals in order of time: (phone, start, end) in seconds.

    Labels of no known phone set are left out; the time of a label of several phones is divided evenly. A closure and
    the burst adjacent to it become one phone, and so do adjacent pauses.

    Args:
        intervals: In order of time.
        source: The phone set, as in `phones.split_label`.
    """
    spans: list[tuple[str, float, float]] = []
    before: Interval | None = None
    for interval in intervals:
        start, end, label = interval
        touching = before is not None and start - before.end <= MAX_GAP
        if before is not None and touching and is_closure_of(before.label, label, source):
            start = spans.pop()[1]
        names = split_label(label, source) or ()
        edges = np.linspace(start, end, len(names) + 1).tolist()
        for name, first, last in zip(names, edges[:-1], edges[1:], strict=True):
            goes_on = name == SILENCE and spans and spans[-1][0] == SILENCE and first - spans[-1][2] <= MAX_GAP
            spans.append((name, spans.pop()[1] if goes_on else first, last))
        before = interval
    return spans


def label_frames(intervals: Iterable[Interval], frames: int, rate: float, source: str | None = None) -> np.ndarray:
    """Return the index (`phones.INDEX`) of the phone at the middle of each frame: int64 `(frames,)`.

    Frame n lasts from n / `rate` to (n + 1) / `rate` seconds. It is `NO_PHONE` where no interval covers its middle or
    the label is unknown. Phones are those of `merge_phones`.

    Args:
        intervals: In order of time.
        frames: Number of frames.
        rate: Frames per second (Hz).
        source: The phone set, as in `phones.split_label`.
    """
    spans = merge_phones(intervals, source)
    found = np.full(frames, NO_PHONE, dtype=np.int64)
    if spans:
        names, starts, ends = zip(*spans, strict=True)
        middles = (np.arange(frames) + 0.5) / rate
        at = np.searchsorted(starts, middles, side="right") - 1
        inside = (at >= 0) & (middles < np.asarray(ends)[at])
        found[inside] = np.asarray([INDEX[name] for name in names])[at[inside]]
    return found


def count_unknown_labels(intervals: Iterable[Interval], source: str | None = None) -> Counter[str]:
    """Return how often each label without a phone occurs."""
    return Counter(label for _, _, label in intervals if split_label(label, source) is None)


def measure_speech(intervals: Iterable[Interval], source: str | None = None) -> tuple[float, float]:
    """Return the duration (seconds) of intervals with a phone of speech, and of those with an unknown label."""
    known = strange = 0.0
    for start, end, label in intervals:
        if split_label(label, source) is None:
            strange += end - start
        elif _is_speech(label, source):
            known += end - start
    return known, strange


def require_phones(known: float, strange: float, labels: Counter[str]) -> None:
    """Check that at least half of what is labelled as speech has a known phone; otherwise no score means anything.

    Args:
        known: Duration with a phone of speech, a sum over `measure_speech` (seconds).
        strange: Duration with an unknown label, likewise (seconds).
        labels: The unknown labels, from `count_unknown_labels`.

    Raises:
        AlignmentError: Most of it has none.
    """
    if strange <= known:
        return
    some = ", ".join(f"{label!r} {count}" for label, count in labels.most_common(8))
    if all(label.lstrip("-").isdigit() for label in labels):
        fix = "these are numbers of phones: give their names, by utils/int2sym.pl -f 5 phones.txt for a CTM of Kaldi"
    else:
        fix = "are these words? take the alignment of phones; or fold the labels to ARPAbet, TIMIT's or IPA"
    raise AlignmentError(
        f"{strange / (known + strange):.0%} of what is labelled as speech ({strange:.1f} of {known + strange:.1f} s) "
        f"has no known phone: {labels.total()} intervals, {len(labels)} labels ({some}); {fix}"
    )


def _is_speech(label: str, source: str | None = None) -> bool:
    return bool({*(split_label(label, source) or ())} - {SILENCE, NOISE})


def _have_positions(labels: Iterable[str]) -> bool:
    """Return whether labels have Kaldi's marks: no label is a phone as it stands, most are without their mark."""
    marked = strange = 0
    for label in labels:
        if _is_speech(label):
            return False
        if _is_speech(_strip_position(label)):
            marked += 1
        elif split_label(_strip_position(label)) is None:
            strange += 1
    return marked > strange


def _strip_position(label: str) -> str:
    match = _POSITION.fullmatch(label)
    return match[1] if match else label


def _select_intervals(path: str, tiers: Sequence[Tier], name: str) -> list[Interval]:
    """Return the intervals of the tier of a known name; a single tier holds the phones unless its name says otherwise.

    Only a missing tier of phones is an error.
    """
    intervals = [tier for tier in tiers if not tier.points]
    named = {key: [one for one in intervals if _is_named(one, pattern)] for key, pattern in _TIERS.items()}
    chosen = named[name]
    if name == "phones" and len(chosen) > 1:
        chosen = [one for one in chosen if one.name.strip().lower() == "phones"]
    if name == "phones" and not any(named.values()) and len(intervals) == 1:
        chosen = intervals
    if len(chosen) == 1:
        try:
            return chosen[0].read()
        except ValueError as error:
            what = f"tier {chosen[0].name!r}: {error}"
            raise AlignmentError(f"{path}: {what}; correct it, or align the utterance again") from None
    if name != "phones":
        return []
    there = ", ".join(repr(tier.name) for tier in tiers)
    raise AlignmentError(f"{path}: want one tier named 'phones', found {there or 'none'}; rename the right one")


def _is_named(tier: Tier, pattern: str) -> bool:
    return re.search(pattern, tier.name.strip(), re.IGNORECASE) is not None


def _check_intervals(path: str, intervals: list[Interval]) -> list[Interval]:
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
    if not checked:
        raise AlignmentError(f"{path}: no interval lasts; align the utterance again or take it out of utt2ali")
    return checked
