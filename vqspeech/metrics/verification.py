"""Telling a claimed voice from others: the equal error rate.

A trial is a clip and a voice that it claims to be of, scored by a cosine. It is genuine where the claim is the truth
(of a conversion: the target), else an impostor (the other voices, the source's among them).
"""

from collections.abc import Sequence

import numpy as np

from vqspeech.metrics.bootstrap import Estimate, statistic


def equal_error_rate(
    genuine: np.ndarray,
    impostor: np.ndarray,
    genuine_weights: np.ndarray | None = None,
    impostor_weights: np.ndarray | None = None,
) -> float:
    """The rate at which as many genuine trials are refused as impostors are let in.

    With a threshold t, FRR(t) is the share (by weight) of genuine scores below t, FAR(t) that of impostor scores of at
    least t. From t = −∞, where they are (0, 1), to ∞, where they are (1, 0), the pair moves at every score there is;
    the rate is where the straight line between two neighbouring pairs meets FRR = FAR. All scores alike give 1/2;
    nan where there are no trials of one kind.
    """
    weights = [
        np.ones(len(scores)) if given is None else given
        for scores, given in ((genuine, genuine_weights), (impostor, impostor_weights))
    ]
    if not weights[0].sum() or not weights[1].sum():
        return float("nan")
    scores = np.concatenate([genuine, impostor])
    order = np.argsort(scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) > 0, True])  # equal scores fall on one side together

    def below(own: np.ndarray) -> np.ndarray:
        """Weight of all scores up to each different one, and before the first: `(scores + 1,)`."""
        return np.r_[0.0, np.cumsum(own[order])[last]]

    refused = below(np.r_[weights[0], np.zeros(len(impostor))]) / weights[0].sum()
    let_in = 1 - below(np.r_[np.zeros(len(genuine)), weights[1]]) / weights[1].sum()
    gap = refused - let_in  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(refused[after - 1] + share * (refused[after] - refused[after - 1]))


def estimated_rate(genuine: Sequence[float], impostor: Sequence[Sequence[float]], groups: Sequence[str]) -> Estimate:
    """The equal error rate of clips, with the interval that redrawing `groups` of them (source utterances) gives; `n`
    counts clips. `genuine` has one score a clip, `impostor` those of the same clip with every other voice."""
    names, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    own, others = np.asarray(genuine, dtype=np.float64), np.concatenate([np.zeros(0), *map(np.asarray, impostor)])
    owner = np.repeat(place, [len(some) for some in impostor])
    found = statistic(lambda weights: equal_error_rate(own, others, weights[place], weights[owner]), len(names))
    low, high = np.clip([found.low, found.high], 0.0, 1.0)
    return Estimate(found.value, float(low), float(high), len(own))
