"""Changes of the code as boundaries of phones."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vqspeech.data.alignment import MAX_GAP
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio, estimate_statistic

TOLERANCE = 0.020
"""Seconds between a boundary that was found and the true one, at most (Räsänen et al. 2009)."""


class Boundaries(NamedTuple):
    """The boundaries of one utterance, in seconds, ascending.

    Attributes:
        phones: Where one phone follows another.
        found: Where the code changes.
        even: As many as were found, evenly spread.
    """

    phones: np.ndarray
    found: np.ndarray
    even: np.ndarray


def find_boundaries(utterance: Aligned) -> Boundaries:
    """Return where one phone follows another, and where a code differs from the one before it.

    Only inside stretches that the alignment covers without a gap, and not at their edges: where nothing is labelled,
    and where the recording begins and ends, nothing is asked. The even ones are spread over each stretch.
    """
    starts, ends, _ = utterance.segments
    lasts = len(utterance.codes) / utterance.rate
    follows = np.concatenate([[False], starts[1:] - ends[:-1] <= MAX_GAP])[: len(starts)]
    phones = starts[follows & (starts < lasts)]
    changes = (np.flatnonzero(np.diff(utterance.codes)) + 1) / utterance.rate
    found, even = [], []
    opens = starts[~follows]
    closes = ends[np.append(~follows[1:], True)] if len(ends) else ends
    for start, end in zip(opens, np.minimum(closes, lasts), strict=True):
        inside = changes[(changes > start) & (changes < end)]
        found.append(inside)
        even.append(start + (end - start) * np.arange(1, len(inside) + 1) / (len(inside) + 1))
    return Boundaries(phones, np.concatenate([np.zeros(0), *found]), np.concatenate([np.zeros(0), *even]))


def count_hits(true: np.ndarray, found: np.ndarray, tolerance: float = TOLERANCE) -> int:
    """Return the largest number of pairs, one to one, of true and found boundaries within `tolerance` (s)."""
    limit = tolerance + 1e-9
    pairs = i = j = 0
    a, b = true.tolist(), found.tolist()
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= limit:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return pairs


def r_value(recall: float, over_segmentation: float) -> float:
    """Return 1 - (|r1| + |r2|) / 2 with r1 = √[(1 - recall)² + os²], r2 = (recall - 1 - os) / √2.

    Räsänen, Laine and Altosaar, "An improved speech segmentation quality measure: the R-value", Interspeech 2009. 1 is
    perfect; unlike F it does not reward boundaries everywhere; it has no lower end.
    """
    distance = math.hypot(1 - recall, over_segmentation)
    return 1 - (distance + abs(recall - 1 - over_segmentation) / math.sqrt(2)) / 2


def score_boundaries(
    true: Sequence[np.ndarray], found: Sequence[np.ndarray], groups: Sequence[Group] | None = None
) -> dict[str, Estimate]:
    """Return precision, recall, F, R-value and over-segmentation (found / true - 1) of the boundaries of utterances.

    Not a number, where there are none; intervals redraw `groups` of utterances.
    """
    paired = np.array([count_hits(a, b) for a, b in zip(true, found, strict=True)], dtype=float)
    n_true, n_found = (np.array([len(one) for one in some], dtype=float) for some in (true, found))

    def of(function: Callable[[float, float, float], float]) -> Estimate:
        def value(weights: np.ndarray) -> float:
            a, b = float(weights @ n_true), float(weights @ n_found)
            return function(float(weights @ paired), a, b) if a else math.nan

        return (
            estimate_statistic(value, len(paired), groups=groups)
            if n_true.sum()
            else Estimate(math.nan, math.nan, math.nan, len(paired))
        )

    return {
        "precision": estimate_ratio(paired, n_found, groups),
        "recall": estimate_ratio(paired, n_true, groups),
        "F": of(lambda both, a, b: 2 * both / (a + b)),
        "R-value": of(lambda both, a, b: r_value(both / a, b / a - 1)),
        "over-segmentation": of(lambda _, a, b: b / a - 1),
    }
