"""Utterances with their codes and the phones spoken in them: what the measures of units compare."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from vqspeech.data import alignment
from vqspeech.data.alignment import Interval
from vqspeech.data.datadir import DataDir
from vqspeech.data.phones import INDEX
from vqspeech.data.units import Units, require_common_utterances
from vqspeech.errors import AlignmentError, UnitsError
from vqspeech.jobs import Skipped, run_jobs

_SLACK = 0.1


class Segments(NamedTuple):
    """Phones in order of time: `starts` and `ends` (seconds) and `phones` (indices of `PHONES`), `(segments,)` each."""

    starts: np.ndarray
    ends: np.ndarray
    phones: np.ndarray


@dataclass(frozen=True)
class Aligned:
    """One utterance with its codes and phones.

    Attributes:
        name: Its id.
        speaker: Who speaks.
        rate: Codes per second (Hz).
        codes: int64 `(frames,)`.
        phones: The phone at the middle of each code, int64 `(frames,)`, negative where there is none.
        segments: The phones with their times.
    """

    name: str
    speaker: str
    rate: float
    codes: np.ndarray
    phones: np.ndarray
    segments: Segments


@dataclass
class Collection:
    """The utterances that have alignments; what was skipped and why; how often each label has no phone."""

    utterances: list[Aligned] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)
    unknown: Counter[str] = field(default_factory=Counter)


def collect_utterances(units: Units, data: DataDir, nj: int = 1) -> Collection:
    """Read the alignments of the utterances of `units` that are in `data`, by `nj` processes.

    Skipped with a reason are those whose alignment cannot be read, has no known phone or has phones after the last
    code, and those whose codes and recording differ in length by more than a tenth: another frame rate, or another
    recording.

    Raises:
        UnitsError: Every utterance differs in length, or none of `units` is in `data`.
        AlignmentError: Most of what the alignments call speech has no known phone.
    """
    require_common_utterances(units, data)
    named = [data[name] for name in units.codes if name in data and data[name].alignment]
    items = [(u.id, u.speaker, u.alignment, u.seconds, units.codes[u.id]) for u in named]
    found, misfits, known, strange = Collection(), [], 0.0, 0.0
    for (name, _, path, *_), result, error in run_jobs(partial(_aligned, units.rate), items, nj, "alignments"):
        if error is not None:
            found.skipped.add(name, error)
            misfits += [error] if isinstance(error, UnitsError) else []
            continue
        one, unknown, speech = result
        found.unknown += unknown
        known, strange = known + speech[0], strange + speech[1]
        if len(one.segments.phones):
            found.utterances.append(one)
        else:
            fix = "fold them to ARPAbet, TIMIT's or IPA"
            found.skipped.add(name, f"{path}: none of its labels is a known phone; {fix}")
    if misfits and len(misfits) == len(items):
        raise UnitsError(f"no utterance has as many codes as it should, for example: {misfits[0]}")
    alignment.require_phones(known, strange, found.unknown)
    return found


def find_segments(intervals: Iterable[Interval]) -> Segments:
    """Return the phones of labelled intervals, as in `alignment.merge_phones`."""
    spans = alignment.merge_phones(intervals)
    phones, starts, ends = zip(*spans, strict=True) if spans else ((), (), ())
    return Segments(
        np.array(starts, dtype=float),
        np.array(ends, dtype=float),
        np.array([INDEX[phone] for phone in phones], dtype=np.int64),
    )


def _aligned(
    rate: float, item: tuple[str, str, str, float | None, np.ndarray]
) -> tuple[Aligned, Counter[str], tuple[float, float]]:
    """Return the utterance, how often each label has no phone, and `alignment.measure_speech`."""
    name, speaker, path, seconds, codes = item
    lasts = len(codes) / rate
    if seconds is not None and abs(seconds - lasts) > _SLACK * max(seconds, lasts) + 2 / rate:
        raise UnitsError(
            f"{name}: its codes last {lasts:.2f} s at {rate:g} Hz, its recording {seconds:.2f} s; encode this data "
            "directory again, or correct rate_hz in the side file of the units"
        )
    intervals = alignment.read_alignment(path, name)
    try:
        inside = alignment.clip_intervals(intervals, lasts)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from None
    phones = alignment.label_frames(inside, len(codes), rate)
    one = Aligned(name, speaker, rate, codes, phones, find_segments(inside))
    return one, alignment.count_unknown_labels(intervals), alignment.measure_speech(inside)
