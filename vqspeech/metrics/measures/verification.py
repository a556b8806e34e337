"""Telling a claimed voice from others: the equal error rate.

A trial is a clip and a voice that it claims to be of, scored by a cosine. It is genuine where the claim is the truth
(of a conversion: the target), else an impostor (the other voices, the source's among them).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_statistic


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return a·b / (|a| |b|)."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def average_voices(embeddings: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """Return one vector of length 1 per speaker: the mean of the embeddings of that speaker's utterances."""
    means = {speaker: np.mean(vectors, axis=0) for speaker, vectors in embeddings.items()}
    return {speaker: mean / np.linalg.norm(mean) for speaker, mean in means.items()}


def find_nearest(embedding: np.ndarray, among: Mapping[str, np.ndarray]) -> str:
    """Return the speaker of `among` whose voice is nearest to `embedding` by cosine; of equals the first by name."""
    return max(sorted(among), key=lambda speaker: cosine(embedding, among[speaker]))


def equal_error_rate(
    genuine: np.ndarray,
    impostor: np.ndarray,
    genuine_weights: np.ndarray | None = None,
    impostor_weights: np.ndarray | None = None,
) -> float:
    """Return the rate at which as many genuine trials are refused as impostors are accepted.

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


def estimate_eer(
    genuine: Sequence[float] | np.ndarray, impostor: Sequence[Sequence[float] | np.ndarray], groups: Sequence[Group]
) -> Estimate:
    """Return the equal error rate of clips, with the interval that redrawing `groups` of them gives.

    Args:
        genuine: One score per clip.
        impostor: The scores of the same clips with every other voice.
        groups: As in `bootstrap.estimate_ratio`; `n` counts clips.
    """
    own, others = np.asarray(genuine, dtype=np.float64), np.concatenate([np.zeros(0), *map(np.asarray, impostor)])
    owner = np.repeat(np.arange(len(own)), [len(some) for some in impostor])
    if isinstance(groups[0], tuple):
        return _crossed(own, others, groups, [groups[int(i)] for i in owner], len(own))
    names, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    found = estimate_statistic(
        lambda weights: equal_error_rate(own, others, weights[place], weights[place[owner]]), len(names)
    )
    low, high = np.clip([found.low, found.high], 0.0, 1.0)
    return Estimate(found.value, float(low), float(high), len(own))


def estimate_eer_against_recordings(
    recordings: Sequence[float] | np.ndarray,
    speakers: Sequence[str],
    conversions: Sequence[float] | np.ndarray,
    groups: Sequence[Group],
) -> Estimate:
    """Return the equal error rate of telling recordings of target speakers from conversions to them.

    By their scores with the target's voice; 0.5 where a verifier finds them equally alike.

    Args:
        recordings: Scores of recordings, the genuine trials.
        speakers: Who speaks in each.
        conversions: Scores of conversions, the impostors.
        groups: Of the conversions, as in `bootstrap.estimate_ratio`.

    Returns:
        The rate, with the interval that redrawing sources and targets gives, or the groups; `n` counts conversions.
    """
    own, others = np.asarray(recordings, dtype=np.float64), np.asarray(conversions, dtype=np.float64)
    if isinstance(groups[0], tuple):
        return _crossed(own, others, [("", name) for name in speakers], groups, len(others))
    names, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    found = estimate_statistic(lambda weights: equal_error_rate(own, others, None, weights[place]), len(names))
    low, high = np.clip([found.low, found.high], 0.0, 1.0)
    return Estimate(found.value, float(low), float(high), len(others))


def _crossed(
    genuine: np.ndarray,
    impostor: np.ndarray,
    genuine_groups: Sequence[Group],
    impostor_groups: Sequence[Group],
    n: int,
    draws: int = 500,
) -> Estimate:
    """Return the equal error rate of trials of groups (source, target), where both are redrawn.

    The source "" is that of recordings, of which there is no other.
    """
    value = equal_error_rate(genuine, impostor)
    random, rates = np.random.default_rng(0), []
    groups = [*genuine_groups, *impostor_groups]
    sides = [np.unique([group[side] for group in groups], return_inverse=True) for side in (0, 1)]
    (sources, source), (targets, target) = sides
    if len(sources) - ("" in sources) < 2 or len(targets) < 2:
        return Estimate(value, float("nan"), float("nan"), n)
    real = np.array([name != "" for name in sources])
    for _ in range(draws):
        drawn = np.ones(len(sources))
        drawn[real] = random.multinomial(real.sum(), np.full(real.sum(), 1 / real.sum()))
        weights = drawn[source] * random.multinomial(len(targets), np.full(len(targets), 1 / len(targets)))[target]
        rates.append(equal_error_rate(genuine, impostor, weights[: len(genuine)], weights[len(genuine) :]))
    known = np.array(rates)[np.isfinite(rates)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (float("nan"), float("nan"))
    return Estimate(value, float(low), float(high), n)
