"""Measures of imagined video: divergence of its codes from real ones, recall of the actions it is conditioned on."""

from collections.abc import Sequence

import numpy as np

from vqspeech.metrics.measures.bootstrap import Estimate, estimate_statistic


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two histograms in bits, from 0 (equal) to 1 (disjoint)."""
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum() for one in (p, q)]
    return float(sum(parts) / 2)


def count_codes(codes: np.ndarray, size: int) -> np.ndarray:
    """Count each code in clips `(clips, …)`: int64 `(clips, size)`."""
    return np.stack([np.bincount(one.ravel(), minlength=size) for one in codes])


def balanced_recall(said: np.ndarray, done: np.ndarray, groups: Sequence[int] | np.ndarray, actions: int) -> Estimate:
    """Return the mean recall over the actions that occur (chance: 1 / their number), with its interval.

    Args:
        said: Recognised actions, int `(n,)`.
        done: True actions, int `(n,)`.
        groups: Episodes, which the interval resamples.
        actions: Number of actions.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    hits, counts = (np.zeros((group.max() + 1, actions)) for _ in range(2))
    np.add.at(counts, (group, done), 1)
    np.add.at(hits, (group, done), said == done)

    def balanced(weights: np.ndarray) -> float:
        of_all = weights @ counts
        seen = of_all > 0
        return float(((weights @ hits)[seen] / of_all[seen]).mean())

    found = estimate_statistic(balanced, len(counts))
    return Estimate(found.value, found.low, found.high, len(done))
