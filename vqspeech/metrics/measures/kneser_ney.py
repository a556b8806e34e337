"""N-grams over codes with interpolated Kneser–Ney smoothing, the plain language model that a prior must beat.

Kneser and Ney, "Improved backing-off for m-gram language modeling", 1995, interpolated as by Chen and Goodman, "An
empirical study of smoothing techniques for language modeling", 1999, with one discount D for each order:

    p(c | h) = max(n(h c) - D, 0) / n(h) + D t(h) / n(h) · p(c | h⁻)

h⁻ is the history h without its first code and t(h) the number of different codes seen after h. n(h c) counts
occurrences in the highest order, and in the lower ones the different codes seen before h c; below single codes lies the
uniform distribution. D = m₁ / (m₁ + 2 m₂), where m₁ and m₂ n-grams have n = 1 and n = 2. Where h was never seen, p is
that of h⁻. An utterance begins with `order` - 1 marks that are no code; its end is not modelled.
"""

from collections.abc import Sequence

import numpy as np
import torch

from vqspeech.data.units import Units
from vqspeech.generate.cached import draw_classes


class _Order:
    """n-grams of one length, by number: n(h c) of each, n(h) and t(h) of each history."""

    def __init__(self, grams: np.ndarray, n: np.ndarray, alphabet: int):
        self.grams, self.n = grams, n.astype(np.float64)
        self.histories, place = np.unique(grams // alphabet, return_inverse=True)
        self.total = np.bincount(place, self.n)
        self.types = np.bincount(place).astype(np.float64)
        ones, twos = (n == 1).sum(), (n == 2).sum()
        # Where nothing occurs once, as with few codes and much data, the formula gives 0 and nothing would be left for
        # what has not been seen; where all does, it gives 1 and nothing for what has.
        self.discount = float(np.clip(ones / max(ones + 2 * twos, 1), 0.01, 0.99))

    def probability(self, history: np.ndarray, gram: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Return p of n-grams, and their histories, by number, given that of the next lower order."""
        at, seen = _found(self.histories, history)
        total = np.where(seen, self.total[at], 1.0)
        place, known = _found(self.grams, gram)
        kept = np.maximum(np.where(known, self.n[place], 0.0) - self.discount, 0.0)
        return np.where(seen, (kept + self.discount * self.types[at] * below) / total, below)


class KneserNey:
    """The model of `order` (1: unigram) fitted to sequences of codes `(codes,)` from 0 to `size` - 1."""

    def __init__(self, codes: Sequence[np.ndarray], size: int, order: int):
        if order < 1 or (size + 1) ** order >= 2**63:
            raise ValueError(f"n-grams of order {order} over {size} codes cannot be numbered")
        self.size, self.order, self._alphabet = size, order, size + 1
        grams = self._numbers(codes, order)
        grams, n = np.unique(grams, return_counts=True)
        orders = [_Order(grams, n, self._alphabet)]
        for length in range(order - 1, 0, -1):
            # What is left without the first code, once for every different first code.
            grams, n = np.unique(orders[0].grams % self._alphabet**length, return_counts=True)
            orders.insert(0, _Order(grams, n, self._alphabet))
        self._orders = orders

    @classmethod
    def of(cls, units: Units, order: int) -> "KneserNey":
        """Return the model of a units file."""
        return cls(list(units.codes.values()), units.size, order)

    def bits(self, codes: np.ndarray) -> np.ndarray:
        """Return -log2 p(code | those before it) of each code of an utterance: float64 `(codes,)`."""
        return -np.log2(self._probability(self._numbers([codes], self.order)))

    def distribution(self, history: np.ndarray) -> np.ndarray:
        """Return p of every code after each history: float64 `(histories, size)`.

        Args:
            history: int `(histories, order - 1)`, -1 where there was no code yet.
        """
        number = np.zeros(len(history), dtype=np.int64)
        for column in history.T:
            number = number * self._alphabet + np.where(column < 0, self.size, column)
        return self._probability(number[:, None] * self._alphabet + np.arange(self.size))

    def sample(
        self,
        steps: int,
        count: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompt: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw `count` times `steps` codes after those of the `prompt` `(codes,)`, as a prior draws them.

        Returns:
            int64 `(count, prompt + steps)`.
        """
        uniforms = np.stack([np.random.default_rng((seed, i)).random(steps, dtype=np.float32) for i in range(count)])
        codes = np.full((count, self.order - 1 + steps), -1, dtype=np.int64)
        if prompt is not None:
            codes = np.insert(codes, self.order - 1, prompt[:, None], axis=1)
        first = codes.shape[1] - steps
        for i in range(steps):
            logits = torch.from_numpy(np.log(self.distribution(codes[:, first + i - self.order + 1 : first + i])))
            codes[:, first + i] = draw_classes(logits.float(), torch.from_numpy(uniforms[:, i]), temperature, top_p)
        return codes[:, self.order - 1 :]

    def _numbers(self, codes: Sequence[np.ndarray], order: int) -> np.ndarray:
        """Return the number of the n-gram that ends at each code: its codes as the digits of base `size` + 1."""
        found = []
        for one in codes:
            padded = np.concatenate([np.full(order - 1, self.size), one]).astype(np.int64)
            number = np.zeros(len(one), dtype=np.int64)
            for place in range(order):
                number = number * self._alphabet + padded[place : place + len(one)]
            found.append(number)
        return np.concatenate(found)

    def _probability(self, grams: np.ndarray) -> np.ndarray:
        found = np.full(grams.shape, 1 / self.size)
        for length, order in enumerate(self._orders, 1):
            gram = grams % self._alphabet**length
            found = order.probability(gram // self._alphabet, gram, found)
        return found


ORDERS = (1, 2, 3, 4, 5)
"""Orders that `choose_order` tries."""
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of a speaker's own n-grams that `SpeakerKneserNey.tune` tries."""


def choose_order(codes: Sequence[np.ndarray], held: Sequence[np.ndarray], size: int) -> int:
    """Return the order of the model of sequences of `codes` `(codes,)` by which `held` ones take the fewest bits."""
    models = {order: KneserNey(codes, size, order) for order in _possible(size)}
    return min(models, key=lambda order: sum(models[order].bits(one).sum() for one in held))


def _possible(size: int) -> list[int]:
    """Those of `ORDERS` whose n-grams can be numbered."""
    return [order for order in ORDERS if (size + 1) ** order < 2**63]


class SpeakerKneserNey:
    """N-grams conditioned on the speaker: p(c | h, s) = λ p_s(c | h) + (1 − λ) p(c | h).

    p is the model of `everyone` and p_s that of the speaker's own sequences; p alone for a speaker who has none.

    Args:
        everyone: The model of all sequences.
        codes: Sequences `(codes,)`.
        voices: The speaker of each; None where that is not known.
    """

    order, weight = 1, 0.0
    """Order of a speaker's own n-grams, and λ: see `tune`."""

    def __init__(self, everyone: KneserNey, codes: Sequence[np.ndarray], voices: Sequence[str | None]):
        self.everyone = everyone
        self._codes: dict[str, list[np.ndarray]] = {}
        for one, voice in zip(codes, voices, strict=True):
            if voice is not None and len(one):
                self._codes.setdefault(voice, []).append(one)
        self._fit(1)

    def tune(self, held: Sequence[np.ndarray], voices: Sequence[str | None]) -> None:
        """Choose `order` and `weight` by which the `held` sequences of `voices` take the fewest bits."""
        told = [(one, voice) for one, voice in zip(held, voices, strict=True) if voice in self._own]
        everyone = np.concatenate([np.zeros(0), *(np.exp2(-self.everyone.bits(one)) for one, _ in told)])
        best = (np.inf, 1, 0.0)
        for order in _possible(self.everyone.size):
            self._fit(order)
            own = np.concatenate([np.zeros(0), *(np.exp2(-self._own[str(voice)].bits(one)) for one, voice in told)])
            bits = [-np.log2(weight * own + (1 - weight) * everyone).sum() for weight in WEIGHTS]
            best = min(best, (min(bits), order, WEIGHTS[int(np.argmin(bits))]))
        self.set(best[1], best[2])

    def set(self, order: int, weight: float) -> None:
        """Take what was chosen on other sequences."""
        self._fit(order)
        self.weight = weight

    def bits(self, codes: np.ndarray, voice: str | None) -> np.ndarray:
        """Return -log2 p(code | those before it, speaker) of each code of an utterance: float64 `(codes,)`."""
        everyone = self.everyone.bits(codes)
        if voice not in self._own or not self.weight:
            return everyone
        own = np.exp2(-self._own[voice].bits(codes))
        return -np.log2(self.weight * own + (1 - self.weight) * np.exp2(-everyone))

    def _fit(self, order: int) -> None:
        self.order = order
        self._own = {voice: KneserNey(some, self.everyone.size, order) for voice, some in self._codes.items()}


def _found(table: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where `wanted` numbers are in a sorted table, and whether they are there."""
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return at, table[at] == wanted
