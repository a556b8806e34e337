"""Confidence intervals by the bootstrap over what would be drawn anew: speakers, sources and targets, episodes.

Efron, "Bootstrap methods: another look at the jackknife", 1979 (percentile interval). Frames or words within an
utterance are not independent, nor are utterances of one speaker or frames of one episode, so intervals over those would
be far too narrow: items that depend on each other share a name in `groups`, and whole groups are redrawn. `redraw` says
which. Where items are compared with each other in small cells, which redrawing would empty, the jackknife takes its
place.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Group = str | tuple[str, str]
"""What items share that depend on each other: a name, or a source speaker and a target speaker."""
FEWEST_SPEAKERS = 10
"""Speakers from which on intervals redraw speakers: of fewer, the interval would say more of them than of others."""


class Redraw(NamedTuple):
    """What intervals redraw.

    Attributes:
        groups: Of items, as in `estimate_ratio`; None where each item is drawn by itself.
        words: The same for a note.
    """

    groups: Sequence[Group] | None
    words: str


def has_enough_speakers(speakers: Iterable[str]) -> bool:
    """Return whether there are so many different speakers that intervals redraw them."""
    return len(set(speakers)) >= FEWEST_SPEAKERS


def redraw_speakers(
    speakers: Sequence[str | None], items: Sequence[str] | None = None, what: str = "utterances"
) -> Redraw:
    """Return what the intervals of items redraw.

    Args:
        speakers: Who speaks in each item; None where that is not known.
        items: A name for each item, where several belong together; each by itself where it is None.
        what: What items are called.

    Returns:
        Speakers, where all are known and there are enough of them; else items.
    """
    known = [speaker for speaker in speakers if speaker is not None]
    if len(known) == len(speakers) and has_enough_speakers(known):
        return Redraw(known, f"intervals redraw {len(set(known))} speakers")
    who = f"{len(set(known))} speakers" if known and len(known) == len(speakers) else "speakers that are not known"
    return Redraw(items, f"intervals redraw {what}, of {who}, and hold for these alone")


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval: `value`, `low`, `high`, from `n` items. `low` and `high` are nan where n < 2."""

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, float | int | None]:
        """Return the estimate as JSON; what is not a number becomes null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{k: v if math.isfinite(v) else None for k, v in numbers.items()}, "n": self.n}


def estimate_ratio(
    parts: Sequence[float] | np.ndarray,
    wholes: Sequence[float] | np.ndarray | None = None,
    groups: Sequence[Group] | None = None,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return sum(parts) / sum(wholes) over items, with the interval that redrawing them gives.

    Word error rate: `parts` are the errors, `wholes` the reference words of each utterance.

    Args:
        parts: Of each item.
        wholes: Of each item; without them the result is the mean of `parts`.
        groups: Items that depend on each other (one sentence converted to many voices) share a name, and whole groups
            are redrawn. Where groups are pairs (source speaker, target speaker), both are redrawn, each by itself, and
            an item counts as often as the product says (Owen 2007, "The pigeonhole bootstrap").
        draws: Number of samples.
        confidence: Of the interval.
        seed: Of the draws.

    Returns:
        The ratio; `n` counts items. The interval is nan with fewer than two groups, or sources, or targets.
    """
    top = np.asarray(parts, dtype=np.float64)
    bottom = np.ones(len(top)) if wholes is None else np.asarray(wholes, dtype=np.float64)
    n = len(top)
    if n == 0 or bottom.sum() == 0:
        return Estimate(math.nan, math.nan, math.nan, n)
    value = float(top.sum() / bottom.sum())
    if groups is not None and isinstance(groups[0], tuple):
        return _crossed_ratio(top, bottom, groups, draws, confidence, seed)
    if groups is not None:
        _, place = np.unique(np.asarray(groups), return_inverse=True)
        top, bottom = np.bincount(place, top), np.bincount(place, bottom)
    if len(top) < 2:
        return Estimate(value, math.nan, math.nan, n)
    counts = np.random.default_rng(seed).multinomial(len(top), np.full(len(top), 1 / len(top)), size=draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        redrawn = (counts @ top) / (counts @ bottom)  # (draws,)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(redrawn[np.isfinite(redrawn)], [tail, 100 - tail])
    return Estimate(value, float(low), float(high), n)


def _crossed_ratio(
    top: np.ndarray, bottom: np.ndarray, groups: Sequence[Group], draws: int, confidence: float, seed: int
) -> Estimate:
    value = float(top.sum() / bottom.sum())
    weights = draw_crossed_weights(groups, draws, seed)
    if weights is None:
        return Estimate(value, math.nan, math.nan, len(top))
    with np.errstate(invalid="ignore", divide="ignore"):
        redrawn = (weights @ top) / (weights @ bottom)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(redrawn[np.isfinite(redrawn)], [tail, 100 - tail])
    return Estimate(value, float(low), float(high), len(top))


def draw_crossed_weights(groups: Sequence[Group], draws: int, seed: int = 0) -> np.ndarray | None:
    """Return how often each item of groups (source, target) occurs where both are redrawn.

    Returns:
        float64 `(draws, items)`; None where there are fewer than two sources or targets.
    """
    random, weights = np.random.default_rng(seed), np.ones((draws, len(groups)))
    for side in (0, 1):
        names, place = np.unique([group[side] for group in groups], return_inverse=True)
        if len(names) < 2:
            return None
        weights *= random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)[:, place]
    return weights


def estimate_statistic(
    function: Callable[[np.ndarray], float],
    n: int,
    draws: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
    groups: Sequence[Group] | None = None,
) -> Estimate:
    """Return a statistic of `n` items, with the interval that redrawing the items, or their `groups`, gives.

    A sample that repeats some items and lacks others biases statistics of a joint distribution (it looks more
    structured than it is); so the percentiles are moved by the difference of the estimate and the mean over the draws.

    Args:
        function: Gives the statistic of a sample in which each item occurs as often as its weight, float64 `(n,)`,
            says.
        n: Number of items.
        draws: Number of samples.
        confidence: Of the interval.
        seed: Of the draws.
        groups: As in `estimate_ratio`.
    """
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    value = float(function(np.ones(n)))
    if groups is not None and isinstance(groups[0], tuple):
        weights = draw_crossed_weights(groups, draws, seed)
    else:
        names, place = (range(n), slice(None)) if groups is None else np.unique(groups, return_inverse=True)
        share, random = np.full(len(names), 1 / len(names)), np.random.default_rng(seed)
        weights = random.multinomial(len(names), share, size=draws).astype(np.float64)[:, place]
        weights = weights if len(names) > 1 else None
    if weights is None:
        return Estimate(value, math.nan, math.nan, n)
    redrawn = np.array([function(one) for one in weights])
    redrawn = redrawn[np.isfinite(redrawn)]
    if not len(redrawn):
        return Estimate(value, math.nan, math.nan, n)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(redrawn, [tail, 100 - tail]) + value - redrawn.mean()
    return Estimate(value, float(low), float(high), n)


def jackknife(value: float, left_out: np.ndarray, n: int) -> Estimate:
    """Return a statistic between 0 and 1 with its 95 % interval from its values without each of G parts of the items.

    Delete-a-group jackknife (Kott 2001): variance (G - 1) / G · Σ (θ_g - θ̄)², normal interval.

    Args:
        value: The statistic of all `n` items.
        left_out: The values without each part, `(G,)`; those that are not a number do not count.
        n: Number of items.
    """
    known = left_out[np.isfinite(left_out)]
    if not math.isfinite(value) or len(known) < 2:
        return Estimate(value, math.nan, math.nan, n)
    width = 1.96 * math.sqrt((len(known) - 1) * known.var())
    return Estimate(value, max(0.0, value - width), min(1.0, value + width), n)
