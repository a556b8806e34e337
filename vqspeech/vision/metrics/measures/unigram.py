"""Baselines of codes of images and video: unigrams of all places and of each, and copying of the last frame."""

import numpy as np


def unigram_bits(codes: np.ndarray, train: np.ndarray, size: int, strength: float | None = None) -> np.ndarray:
    """Return -log2 p of each code of maps under a unigram: float64 of their shape.

    The overall counts start from one for every code; those of a place have `strength` codes of the overall unigram
    added.

    Args:
        codes: Maps `(n, height, width)`.
        train: Maps that are counted.
        size: Number of codes.
        strength: Use a unigram for each place, with this strength; None for one over all places.
    """
    everywhere = np.bincount(np.ravel(train), minlength=size) + 1.0
    everywhere /= everywhere.sum()
    if strength is None:
        return -np.log2(everywhere)[codes]
    return -np.log2(Unigram(train, size, strength).probabilities(codes))


class Unigram:
    """Unigram of every place: `odds`, float64 `(size, height, width)`.

    Args:
        codes: Maps that are counted, `(n, height, width)`.
        size: Number of codes.
        strength: Codes of the unigram over all places that are added to the counts of each place.
    """

    def __init__(self, codes: np.ndarray, size: int, strength: float = 10.0):
        maps, height, width = codes.shape
        everywhere = np.bincount(np.ravel(codes), minlength=size) + 1.0
        places = height * width
        cells = codes.reshape(maps, places).astype(np.int64) * places + np.arange(places)
        counts = np.bincount(cells.ravel(), minlength=size * places).reshape(size, places)
        odds = (counts + strength * (everywhere / everywhere.sum())[:, None]) / (maps + strength)
        self.odds = odds.reshape(size, height, width)

    @property
    def likeliest(self) -> np.ndarray:
        """The most frequent code of every place, `(height, width)`."""
        return self.odds.argmax(0)

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """Return p of codes `(…, height, width)`: float64 of that shape."""
        rows, columns = np.indices(codes.shape[-2:])
        return self.odds[codes, rows, columns]


class Copying:
    """Baseline that copies each code of the last given frame with some probability, or draws from the unigram.

    The probabilities, one for each horizon, are fitted to training `clips` `(clips, time, height, width)` by
    expectation-maximisation.
    """

    def __init__(self, unigram: Unigram, clips: np.ndarray, given: int):
        self.unigram = unigram
        same, other = _kept(clips, given), unigram.probabilities(clips[:, given:])
        self.shares = np.full(same.shape[1], 0.5)
        for _ in range(100):
            copied = self.shares[:, None, None] * same
            responsible = copied / (copied + (1 - self.shares)[:, None, None] * other)
            self.shares = responsible.mean((0, 2, 3))

    def bits(self, clips: np.ndarray, given: int) -> np.ndarray:
        """Return -log2 p of the codes after the given frames: float64 `(clips, frames, height, width)`."""
        shares = self.shares[:, None, None]
        return -np.log2(shares * _kept(clips, given) + (1 - shares) * self.unigram.probabilities(clips[:, given:]))


def _kept(codes: np.ndarray, given: int) -> np.ndarray:
    """Return where frames after the given ones have the code of the last given frame: float64 0 or 1."""
    return (codes[:, given:] == codes[:, given - 1 : given]).astype(np.float64)
