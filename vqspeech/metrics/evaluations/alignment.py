"""How far the phone boundaries of one alignment lie from those of another, such as labels made by hand.

The two say the same sentence, but rarely with the very same phones: the phones are matched first, so that as few as
possible differ (edit distance; of equally good ways the one with the smaller distances in time). A boundary of the
reference is compared where both phones beside it have a counterpart, and these are neighbours as well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vqspeech.data import alignment
from vqspeech.data.alignment import Interval
from vqspeech.data.phones import INDEX, NOISE, SILENCE
from vqspeech.errors import AlignmentError
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio, estimate_statistic, redraw_speakers

RATE = 100
"""Frames a second of the comparison by time (Hz)."""
_TOLERANCES = (10, 20, 50)
_PAUSES = (INDEX[SILENCE], INDEX[NOISE])


class Comparison(NamedTuple):
    """One utterance against its reference.

    `errors`: float64 `(boundaries,)`, seconds, positive where the boundary comes later than in the reference, nan where
    it has no counterpart; `pause`: bool `(boundaries,)`, whether there is a pause on one side of it in the reference;
    `phones`: int64 `(2, frames)`, the phones at `RATE`, of the reference and then of the other, negative for none.
    """

    errors: np.ndarray
    pause: np.ndarray
    phones: np.ndarray


def compare_alignments(
    found: Sequence[Interval], reference: Sequence[Interval], source: str | None = None
) -> Comparison:
    """Compare the boundaries and phones of `found` with those of `reference`; `source` as in `phones.parts`."""
    ours, theirs = _phones(found, source), _phones(reference, source)
    counterpart = dict(match_phones([p for p, *_ in theirs], [p for p, *_ in ours], _distances(theirs, ours)))
    errors, pause = [], []
    for i in range(1, len(theirs)):
        before, after = counterpart.get(i - 1), counterpart.get(i)
        if before is not None and after is not None and after == before + 1:
            errors.append(_border(ours[before], ours[after]) - _border(theirs[i - 1], theirs[i]))
        else:
            errors.append(np.nan)
        pause.append(theirs[i - 1][0] in _PAUSES or theirs[i][0] in _PAUSES)
    frames = round(reference[-1].end * RATE) if reference else 0
    phones = [alignment.label_frames(intervals, frames, RATE, source) for intervals in (reference, found)]
    return Comparison(np.array(errors, dtype=np.float64), np.array(pause, dtype=bool), np.stack(phones))


def match_phones(a: Sequence[int], b: Sequence[int], distances: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs of places in `a` and `b` along the alignment with the fewest edits; a substitution is one edit.

    Of ways with as many edits the one with the smallest sum of `distances`, `(len(a), len(b))`, at its pairs is taken;
    a pause is never paired with a phone.
    """
    # Whole numbers above, distances far below one: they only decide between ways with as many edits.
    scale = 1.0 / (1.0 + distances.sum()) if distances.size else 1.0
    pair = scale * distances + (np.asarray(a)[:, None] != np.asarray(b)[None, :])
    pair[np.isin(a, _PAUSES)[:, None] != np.isin(b, _PAUSES)[None, :]] = np.inf
    cost = np.zeros((len(a) + 1, len(b) + 1))
    cost[:, 0], cost[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        row, above = cost[i], cost[i - 1]
        row[1:] = np.minimum(above[1:] + 1, above[:-1] + pair[i - 1])
        # Insertions: the least over everything to the left, a unit a step.
        steps = np.arange(len(b) + 1)
        row[:] = np.minimum.accumulate(row - steps) + steps
    pairs, i, j = [], len(a), len(b)
    while i and j:
        if np.isclose(cost[i, j], cost[i - 1, j - 1] + pair[i - 1, j - 1], rtol=0, atol=1e-9):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif np.isclose(cost[i, j], cost[i - 1, j] + 1, rtol=0, atol=1e-9):
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def make_rows(comparisons: Sequence[Comparison], groups: Sequence[Group] | None = None) -> list[dict]:
    """Return the rows of the table: boundary errors and agreement in time.

    Of all boundaries, those between phones, and those beside pauses; intervals redraw `groups` of utterances, as in
    `bootstrap.estimate_ratio`.
    """
    kinds: dict[str, Callable[[Comparison], tuple[np.ndarray, np.ndarray]]] = {
        "all": lambda one: (one.errors, one.phones),
        "between two phones": lambda one: (one.errors[~one.pause], _only(one.phones, pauses=False)),
        "beside a pause": lambda one: (one.errors[one.pause], _only(one.phones, pauses=True)),
    }
    return [{"row": name, **_columns([select(one) for one in comparisons], groups)} for name, select in kinds.items()]


def score_alignments(
    found: dict[str, str], reference: dict[str, str], nj: int = 1, speakers: Mapping[str, str] | None = None
) -> tuple[list[dict], int, Skipped]:
    """Score alignments against reference alignments.

    Args:
        found: Alignment files by utterance id.
        reference: Those to compare with; utterances in both are scored.
        nj: Processes.
        speakers: By utterance id; intervals redraw them where there are enough.

    Returns:
        The rows, how many utterances were compared, and which could not be read.

    Raises:
        AlignmentError: No utterance is in both, or most of what either calls speech has no known phone.
    """
    names = [(name, path, reference[name]) for name, path in found.items() if name in reference]
    if not names:
        some, others = (", ".join(list(paths)[:3]) for paths in (found, reference))
        raise AlignmentError(
            f"no utterance has an alignment in both, ({some}) and ({others}); do their utterance ids agree?"
        )
    skipped, comparisons, kept = Skipped(), [], []
    speech, labels = np.zeros((2, 2)), (Counter[str](), Counter[str]())
    for (name, *_), result, error in run_jobs(_of_files, names, nj, "alignments"):
        if error is not None:
            skipped.add(name, error)
            continue
        one, both = result
        comparisons.append(one)
        kept.append((speakers or {}).get(name))
        for side, intervals in enumerate(both):
            speech[side] += alignment.measure_speech(intervals)
            labels[side].update(alignment.count_unknown_labels(intervals))
    for (known, strange), strangers in zip(speech.tolist(), labels, strict=True):
        alignment.require_phones(known, strange, strangers)
    return make_rows(comparisons, redraw_speakers(kept).groups), len(comparisons), skipped


def _of_files(item: tuple[str, str, str]) -> tuple[Comparison, tuple[list[Interval], list[Interval]]]:
    """Return the comparison, and the two alignments."""
    name, found, reference = item
    both = alignment.read_alignment(found, name), alignment.read_alignment(reference, name)
    return compare_alignments(*both), both


def _phones(intervals: Iterable[Interval], source: str | None) -> list[tuple[int, float, float]]:
    """Return (phone, start, end), as in `alignment.merge_phones`."""
    return [(INDEX[name], start, end) for name, start, end in alignment.merge_phones(intervals, source)]


def _border(before: tuple[int, float, float], after: tuple[int, float, float]) -> float:
    """Return the time between two phones: where there is a gap, its middle."""
    return (before[2] + after[1]) / 2


def _distances(a: list[tuple[int, float, float]], b: list[tuple[int, float, float]]) -> np.ndarray:
    middles = [np.array([(start + end) / 2 for _, start, end in phones]) for phones in (a, b)]
    return np.abs(middles[0][:, None] - middles[1][None, :])


def _only(phones: np.ndarray, pauses: bool) -> np.ndarray:
    return phones[:, np.isin(phones[0], _PAUSES) == pauses]


def _columns(selected: Sequence[tuple[np.ndarray, np.ndarray]], groups: Sequence[Group] | None) -> dict[str, Estimate]:
    errors = [1000 * errors[np.isfinite(errors)] for errors, _ in selected]
    counts = [len(some) for some in errors]
    columns = {
        "median error (ms)": _median([np.abs(some) for some in errors], groups),
        "median, signed (ms)": _median(errors, groups),
    }
    for limit in _TOLERANCES:
        columns[f"within {limit} ms"] = estimate_ratio(
            [(np.abs(some) <= limit + 1e-6).sum() for some in errors], counts, groups
        )
    columns["boundaries compared"] = estimate_ratio(counts, [len(one) for one, _ in selected], groups)
    labelled = [phones[:, phones[0] >= 0] for _, phones in selected]
    columns["time with the same phone"] = estimate_ratio(
        [(p[0] == p[1]).sum() for p in labelled], [p.shape[1] for p in labelled], groups
    )
    return columns


def _median(values: Sequence[np.ndarray], groups: Sequence[Group] | None = None) -> Estimate:
    together = np.concatenate([*values, np.empty(0)])
    owner = np.repeat(np.arange(len(values)), [len(some) for some in values])
    order = np.argsort(together, kind="stable")
    together, owner = together[order], owner[order]

    def median(weights: np.ndarray) -> float:
        upto = np.cumsum(weights[owner])
        return float(together[np.searchsorted(upto, upto[-1] / 2)]) if len(upto) and upto[-1] else float("nan")

    return estimate_statistic(median, len(values), groups=groups)
