"""The bootstrap interval of statistics that are no mean over utterances, such as mutual information."""

import math
from collections.abc import Callable

import numpy as np

from vqspeech.metrics.bootstrap import Estimate


def statistic(
    function: Callable[[np.ndarray], float], n: int, draws: int = 500, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """The statistic of `n` items, with the interval that redrawing the items gives.

    `function` gives the statistic of a sample in which each item occurs as often as its weight, float64 `(n,)`, says.
    A sample that repeats some items and lacks others biases statistics of a joint distribution (it looks more
    structured than it is); so the percentiles are moved by the difference of the estimate and the mean over the draws.
    """
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    value = float(function(np.ones(n)))
    if n < 2:
        return Estimate(value, math.nan, math.nan, n)
    random = np.random.default_rng(seed)
    share = np.full(n, 1 / n)
    redrawn = np.array([function(random.multinomial(n, share).astype(np.float64)) for _ in range(draws)])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(redrawn, [tail, 100 - tail]) + value - redrawn.mean()
    return Estimate(value, float(low), float(high), n)
