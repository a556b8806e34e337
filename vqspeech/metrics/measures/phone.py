"""How well discrete units tell phones.

All functions take, for each utterance, the codes and the phones of its frames: two sequences of integer arrays
`(frames,)`, phones as indices of `vqspeech.data.phones.PHONES`, negative where a frame has none (such frames are left
out everywhere). `size` is the number of different codes. Below, n(k, p) counts the frames with code k and phone p, and
N counts all. Intervals are over utterances, or, where `groups` names the speaker of each, over speakers. Figures with
silence and without differ widely: see `speech_only`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vqspeech.data.phones import INDEX, NOISE, PHONES, SILENCE
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio, estimate_statistic

Frames = Sequence[np.ndarray]

_P = len(PHONES)


def mask_silence(phones: Frames) -> list[np.ndarray]:
    """Return the phones with silence and noise as frames without a phone."""
    return [np.where((p == INDEX[SILENCE]) | (p == INDEX[NOISE]), -1, p) for p in phones]


def shuffle_codes(codes: Frames, seed: int = 0) -> list[np.ndarray]:
    """Return the codes of each utterance in random order: chance that keeps how often each code is used, where."""
    random = np.random.default_rng(seed)
    return [random.permutation(c) for c in codes]


def count_pairs(codes: Frames, phones: Frames, size: int) -> np.ndarray:
    """Return n(k, p): int64 `(size, phones)`.

    Raises:
        ValueError: The lengths differ or a number is out of range.
    """
    return np.bincount(_cells(codes, phones, size)[1], minlength=size * _P).reshape(size, _P)


def map_codes(codes: Frames, phones: Frames, size: int) -> np.ndarray:
    """Return argmax_p n(k, p), the likeliest phone of each code: int64 `(size,)`.

    Of phones that are equally likely the first of the inventory; for codes that do not occur, the likeliest phone of
    all frames.
    """
    return _map(count_pairs(codes, phones, size))


def mapping_accuracy(codes: Frames, phones: Frames, size: int, groups: Sequence[Group] | None = None) -> Estimate:
    """Share of frames whose phone is the likeliest of their code: Σ_k max_p n(k, p) / N.

    The map is fitted to the frames it is scored on, as in van den Oord et al. 2017, section 4.3 (49.3 % with 128 codes
    at 25 Hz): with many codes and few frames it rises by chance alone. The same number is known as phone purity.
    """
    likeliest = map_codes(codes, phones, size)
    return accuracy(phones, [likeliest[c] for c in codes], groups)


def held_out_accuracy(
    codes: Frames, phones: Frames, size: int, seed: int = 0, groups: Sequence[Group] | None = None
) -> Estimate:
    """Share of frames whose phone is the likeliest of their code in the other half of the utterances.

    The utterances are divided in two at random; the map of each half is scored on the other. Not a number, where
    there is only one utterance.
    """
    half = split_halves(len(codes), seed)
    if len(codes) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    maps = []
    for side in (0, 1):
        others = np.flatnonzero(half != side).tolist()
        maps.append(map_codes([codes[i] for i in others], [phones[i] for i in others], size))
    return accuracy(phones, [maps[half[i]][codes[i]] for i in range(len(codes))], groups)


def likeliest_phone_accuracy(phones: Frames, groups: Sequence[Group] | None = None) -> Estimate:
    """Share of the most frequent phone: max_p n(p) / N (7.2 % in the paper), the accuracy of a single code."""
    return mapping_accuracy([np.zeros(len(p), dtype=np.int64) for p in phones], phones, 1, groups)


def phone_purity(codes: Frames, phones: Frames, size: int, groups: Sequence[Group] | None = None) -> Estimate:
    """Σ_k p(k) max_p p(p | k): how surely a code tells the phone (Hsu et al. 2021, arXiv 2106.07447, section V.A).

    It is `mapping_accuracy` under another name.
    """
    return mapping_accuracy(codes, phones, size, groups)


def cluster_purity(codes: Frames, phones: Frames, size: int, groups: Sequence[Group] | None = None) -> Estimate:
    """Σ_p p(p) max_k p(k | p) = Σ_p max_k n(k, p) / N: how surely a phone has one code (arXiv 2106.07447)."""
    return _of_counts(lambda n: n.max(axis=0).sum() / n.sum(), codes, phones, size, groups)


def pnmi(codes: Frames, phones: Frames, size: int, groups: Sequence[Group] | None = None) -> Estimate:
    """I(phone; code) / H(phone), the share of what there is to know of the phone that the code tells (2106.07447).

    I = Σ p(k, p) log [p(k, p) / (p(k) p(p))], H = -Σ p(p) log p(p). 0 where only one phone occurs, as then there is
    nothing to know. It rises with the number of codes by chance; compare with `shuffled` codes.
    """
    return _of_counts(_pnmi, codes, phones, size, groups)


def accuracy(phones: Frames, guesses: Frames, groups: Sequence[Group] | None = None) -> Estimate:
    """Return the share of the frames with a phone where the guessed one is it."""
    hits = [int(((p == g) & (p >= 0)).sum()) for p, g in zip(phones, guesses, strict=True)]
    frames = [int((p >= 0).sum()) for p in phones]
    kept = [i for i, count in enumerate(frames) if count]
    return estimate_ratio([hits[i] for i in kept], [frames[i] for i in kept], groups and [groups[i] for i in kept])


def split_halves(utterances: int, seed: int = 0) -> np.ndarray:
    """Return the half, 0 or 1, that each utterance is in when they are divided at random: int64 `(utterances,)`."""
    return np.random.default_rng(seed).permutation(utterances) % 2


def flatten_frames(codes: Frames, phones: Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, phones and number of the utterance of all frames with a phone, concatenated: int64 `(frames,)`.

    Raises:
        ValueError: The lengths differ or a phone is out of range.
    """
    if len(codes) != len(phones) or any(len(c) != len(p) for c, p in zip(codes, phones, strict=False)):
        raise ValueError("codes and phones must have the same number of utterances and frames")
    flat_codes = np.concatenate([np.zeros(0, np.int64), *codes]).astype(np.int64)
    flat_phones = np.concatenate([np.zeros(0, np.int64), *phones]).astype(np.int64)
    if len(flat_phones) and flat_phones.max() >= _P:
        raise ValueError(f"phones must be below {_P}")
    labelled = flat_phones >= 0
    utterances = np.repeat(np.arange(len(codes)), [len(c) for c in codes])
    return flat_codes[labelled], flat_phones[labelled], utterances[labelled]


def _cells(codes: Frames, phones: Frames, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Utterance and number of the cell (code, phone) of each frame with a phone."""
    if any(len(c) and (c.min() < 0 or c.max() >= size) for c in codes):
        raise ValueError(f"codes must be in 0 ... {size - 1}")
    flat_codes, flat_phones, utterances = flatten_frames(codes, phones)
    return utterances, flat_codes * _P + flat_phones


def _map(table: np.ndarray) -> np.ndarray:
    likeliest = table.argmax(axis=1)
    return np.where(table.any(axis=1), likeliest, table.sum(axis=0).argmax())


def _of_counts(
    function: Callable[[np.ndarray], float],
    codes: Frames,
    phones: Frames,
    size: int,
    groups: Sequence[Group] | None = None,
) -> Estimate:
    """Return a function of n(k, p), `(size, phones)`, with its interval."""
    utterances, cells = _cells(codes, phones, size)
    spoken = len(np.unique(utterances))
    if groups:
        utterances = np.unique(np.asarray(groups), return_inverse=True)[1][utterances]
    # The frames of an utterance in the same cell, and the cells that occur at all, are taken together.
    _, utterances = np.unique(utterances, return_inverse=True)
    used, cells = np.unique(cells, return_inverse=True)
    n = int(utterances.max()) + 1 if len(utterances) else 0
    pairs, repeats = np.unique(utterances * max(len(used), 1) + cells, return_counts=True)
    utterances, cells = np.divmod(pairs, max(len(used), 1))
    rows, row = np.unique(used // _P, return_inverse=True)
    columns, column = np.unique(used % _P, return_inverse=True)

    def value(weights: np.ndarray) -> float:
        table = np.zeros((len(rows), len(columns)))
        table[row, column] = np.bincount(cells, weights=repeats * weights[utterances], minlength=len(used))
        return function(table)

    found = estimate_statistic(value, n)
    return replace(found, low=float(np.clip(found.low, 0, 1)), high=float(np.clip(found.high, 0, 1)), n=spoken)


def _pnmi(table: np.ndarray) -> float:
    entropy = _entropy(table.sum(axis=0))
    if entropy <= 1e-12:
        return 0.0
    mutual = entropy + _entropy(table.sum(axis=1)) - _entropy(table.ravel())
    return float(np.clip(mutual / entropy, 0.0, 1.0))


def _entropy(n: np.ndarray) -> float:
    share = n[n > 0] / n.sum()
    return float(-(share * np.log(share)).sum())
