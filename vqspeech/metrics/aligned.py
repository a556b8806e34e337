"""Utterances with their codes and the phones spoken in them: what the measures of units compare."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from vqspeech.data import alignment
from vqspeech.data.alignment import Interval
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import INDEX
from vqspeech.data.units import Units, require_common_utterances
from vqspeech.errors import AlignmentError, UnitsError, describe_error
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


@dataclass(frozen=True)
class Labels:
    """What the alignment of one utterance says; no other utterance matters.

    Attributes:
        name: The id of the utterance.
        phones: As in `Aligned`.
        segments: As in `Aligned`.
        unknown: How often each label has no phone.
        speech: See `alignment.measure_speech`.
        reason: Why the utterance is skipped, empty where it is not.
        fits: Whether it has as many codes as its recording should have.
    """

    name: str
    phones: np.ndarray
    segments: Segments
    unknown: Counter[str] = field(default_factory=Counter)
    speech: tuple[float, float] = (0.0, 0.0)
    reason: str = ""
    fits: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold, and of what `from_json` makes exactly the same."""
        arrays = {"phones": self.phones.tolist(), "segments": [one.tolist() for one in self.segments]}
        return {**vars(self), **arrays}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Labels":
        """Return what `as_json` was called of."""
        starts, ends, phones = found["segments"]
        segments = Segments(np.array(starts, float), np.array(ends, float), np.array(phones, np.int64))
        known, strange = found["speech"]
        arrays = {"phones": np.array(found["phones"], np.int64), "segments": segments}
        return cls(**{**found, **arrays, "unknown": Counter(found["unknown"]), "speech": (known, strange)})


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
    return collect_labels(units, data, read_labels(units, data, Skipped(), nj))


def read_labels(
    units: Units, data: DataDir, skipped: Skipped, nj: int = 1, names: Container[str] | None = None
) -> list[Labels]:
    """Read the alignments of the utterances of `units` that have one in `data`, as `collect_utterances`.

    Args:
        units: The codes.
        data: The utterances with their alignments.
        skipped: Gets those that cannot be used.
        nj: Processes.
        names: Only the utterances of these names.
    """
    named = [data[name] for name in units.codes if name in data and data[name].alignment]
    items = [(u, units.codes[u.id]) for u in named if names is None or u.id in names]
    found = []
    for (one, _), result, error in run_jobs(partial(_read_labels, units.rate), items, nj, "alignments"):
        labels = result if error is None else _without_phones(one.id, error)
        if labels.reason:
            skipped.add(one.id, labels.reason)
        found.append(labels)
    return found


def collect_labels(units: Units, data: DataDir, labels: Iterable[Labels]) -> Collection:
    """Return the utterances of `units` with their `labels`, from `read_labels`; errors as of `collect_utterances`."""
    found, misfits, known, strange, count = Collection(), list[str](), 0.0, 0.0, 0
    for one in labels:
        count += 1
        found.unknown += one.unknown
        known, strange = known + one.speech[0], strange + one.speech[1]
        if one.reason:
            found.skipped.reasons[one.name] = one.reason
            misfits += [one.reason] if not one.fits else []
        else:
            speaker, codes = data[one.name].speaker, units.codes[one.name]
            found.utterances.append(Aligned(one.name, speaker, units.rate, codes, one.phones, one.segments))
    if misfits and len(misfits) == count:
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


def _without_phones(name: str, error: Exception) -> Labels:
    nothing = find_segments([])
    fits = not isinstance(error, UnitsError)
    return Labels(name, nothing.phones, nothing, reason=describe_error(error), fits=fits)


def _read_labels(rate: float, item: tuple[Utterance, np.ndarray]) -> Labels:
    one, codes = item
    lasts = len(codes) / rate
    if one.seconds is not None and abs(one.seconds - lasts) > _SLACK * max(one.seconds, lasts) + 2 / rate:
        raise UnitsError(
            f"{one.id}: its codes last {lasts:.2f} s at {rate:g} Hz, its recording {one.seconds:.2f} s; encode this "
            "data directory again, or correct rate_hz in the side file of the units"
        )
    assert one.alignment is not None
    intervals = alignment.read_alignment(one.alignment, one.id)
    try:
        inside = alignment.clip_intervals(intervals, lasts)
    except AlignmentError as error:
        raise AlignmentError(f"{one.alignment}: {error}") from None
    segments, reason = find_segments(inside), ""
    if not len(segments.phones):
        reason = f"{one.alignment}: none of its labels is a known phone; fold them to ARPAbet, TIMIT's or IPA"
    return Labels(
        one.id,
        alignment.label_frames(inside, len(codes), rate),
        segments,
        alignment.count_unknown_labels(intervals),
        alignment.measure_speech(inside),
        reason,
    )
