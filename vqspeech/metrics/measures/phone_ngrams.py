"""The phone told from a code together with the codes before it.

Van den Oord et al. (arXiv 1711.00937, section 4.3) remark that the meaning of a code may depend on the codes before it,
so that a map of bi- or tri-grams finds more of the phones than one of single codes. Arguments as in
`vqspeech.metrics.measures.phone`.
"""

from collections.abc import Sequence

import numpy as np

from vqspeech.data.phones import PHONES
from vqspeech.metrics.measures.bootstrap import Estimate, Group
from vqspeech.metrics.measures.phone import Frames, accuracy, flatten_frames, split_halves

PRIOR = 10.0
"""How many frames what a shorter n-gram tells is worth, beside the frames of the n-gram itself. On LibriSpeech (105 and
840 utterances, codes at 100 Hz) 10 to 20 is best, and below 3 bigrams do worse than single codes."""
_PIECE = 1 << 15
_P = len(PHONES)


def number_ngrams(codes: Frames, size: int, order: int) -> list[np.ndarray]:
    """Return a number for each code with the `order` - 1 codes before it, int64 `(frames,)`; same number, same codes.

    Before the first code of an utterance there is a code of its own, so that n-grams there are shorter.
    """
    found = []
    for one in codes:
        padded = np.concatenate([np.zeros(order - 1, np.int64), one + 1])
        number = np.zeros(len(one), dtype=np.int64)
        for back in range(order):
            number = number * (size + 1) + padded[back : back + len(one)]
        found.append(number)
    return found


def mapping_accuracy(
    codes: Frames, phones: Frames, size: int, order: int, groups: Sequence[Group] | None = None
) -> Estimate:
    """Share of frames whose phone is the likeliest of their n-gram, the map fitted to the same frames.

    It rises towards 1 with the order by mere memory, as most n-grams occur once: `held_out_accuracy` does not.
    """
    numbers = number_ngrams(codes, size, order)
    flat, flat_phones, _ = flatten_frames(numbers, phones)
    found, row = np.unique(flat, return_inverse=True)
    likeliest = _likeliest(row, flat_phones)
    guesses = [
        likeliest[np.searchsorted(found, n).clip(max=max(len(found) - 1, 0))] if len(found) else np.zeros_like(n)
        for n in numbers
    ]
    return accuracy(phones, guesses, groups)


def held_out_accuracy(
    codes: Frames, phones: Frames, size: int, order: int, seed: int = 0, groups: Sequence[Group] | None = None
) -> Estimate:
    """Share of frames whose phone is the likeliest given their n-gram in the other half of the utterances.

    With n(g, p) frames of n-gram g and phone p, g⁻ the n-gram without its first code, and a prior weight α = `PRIOR`,
    p(p | g) = [n(g, p) + α p(p | g⁻)] / [n(g) + α], down to the shares of the phones (MacKay and Peto 1995, "A
    hierarchical Dirichlet language model"): n-grams that do not occur in the other half back off to shorter ones.
    """
    half = split_halves(len(codes), seed)
    if len(codes) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    guesses: list[np.ndarray] = [np.zeros(0, np.int64)] * len(codes)
    for side in (0, 1):
        fit, score = np.flatnonzero(half != side).tolist(), np.flatnonzero(half == side).tolist()
        told = _Told([codes[i] for i in fit], [phones[i] for i in fit], size, order)
        flat = told.guesses([codes[i] for i in score])
        ends = np.cumsum([len(codes[i]) for i in score])[:-1]
        for i, guess in zip(score, np.split(flat, ends), strict=True):
            guesses[i] = guess
    return accuracy(phones, guesses, groups)


def _likeliest(row: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """Return the most frequent phone of each row; of equals the first of the inventory."""
    cells, counts = np.unique(row * _P + phones, return_counts=True)
    # Ascending by row, then count, then phone from the last: the last of each row is its likeliest.
    order = np.lexsort((-(cells % _P), counts, cells // _P))
    likeliest = np.zeros(int(row.max()) + 1 if len(row) else 0, dtype=np.int64)
    likeliest[cells[order] // _P] = cells[order] % _P
    return likeliest


class _Told:
    """What n-grams of one to `order` codes tell of the phone."""

    def __init__(self, codes: Frames, phones: Frames, size: int, order: int):
        from scipy.sparse import csr_array

        self.size, self.tables = size, []
        for length in range(1, order + 1):
            flat, flat_phones, _ = flatten_frames(number_ngrams(codes, size, length), phones)
            found, row = np.unique(flat, return_inverse=True)
            shape = (len(found) + 1, _P)  # the last row: n-grams that do not occur
            ones = np.ones(len(row))
            self.tables.append((found, csr_array((ones, (row, flat_phones)), shape=shape)))
            if length == 1:
                shares = np.bincount(flat_phones, minlength=_P).astype(float)
                self.shares = shares / max(shares.sum(), 1.0)

    def guesses(self, codes: Frames) -> np.ndarray:
        """Return the likeliest phone of every frame of all utterances together: int64 `(frames,)`."""
        numbers = [np.concatenate(number_ngrams(codes, self.size, n + 1)) for n in range(len(self.tables))]
        guesses = np.zeros(len(numbers[0]), dtype=np.int64)
        for start in range(0, len(guesses), _PIECE):
            part = slice(start, start + _PIECE)
            told = np.tile(self.shares, (len(guesses[part]), 1))  # (frames, phones)
            for flat, (found, table) in zip(numbers, self.tables, strict=True):
                at = np.searchsorted(found, flat[part])
                known = found[np.minimum(at, len(found) - 1)] == flat[part] if len(found) else at < 0
                n = table[np.where(known, at, len(found))].toarray()
                told = (n + PRIOR * told) / (n.sum(axis=1, keepdims=True) + PRIOR)
            guesses[part] = told.argmax(axis=1)
        return guesses
