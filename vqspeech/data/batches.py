"""Batches of tensors, and where the windows that fill them are taken from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass
class Batch:
    """What a model's forward takes: a dataclass whose fields are tensors with the items along axis 0, or None."""

    def to(self, device: torch.device | str) -> "Self":
        """Return the batch on a device."""
        return self.each(lambda tensor: tensor.to(device))

    def each(self, function: Callable[[Tensor], Tensor]) -> "Self":
        """Return the batch with `function` applied to every tensor."""
        return replace(self, **{name: function(value) for name, value in vars(self).items() if value is not None})


def draw_integers(
    limit: int, count: int, seed: int, step: int, process: int = 0
) -> tuple[np.ndarray, np.random.Generator]:
    """Draw `count` integers below `limit`: int64 `(count,)`, and the generator for further draws.

    The draws of all processes of a step, one after the other, are those of one process that draws as many.
    """
    generator = np.random.default_rng([seed, step, 0])
    return generator.integers(limit, size=(process + 1) * count)[process * count :], generator


class WindowPositions:
    """Where windows lie in utterances.

    An utterance is drawn in proportion to the number of windows that cover it, and the window's place in it uniformly,
    so that the contents of short utterances are as likely as those of long ones.

    Args:
        lengths: int `(utterances,)`, lengths of the utterances.
        size: Length of a window, in the same unit.
    """

    def __init__(self, lengths: np.ndarray, size: int):
        self.lengths, self.size = lengths, size
        self._ends = np.cumsum(np.maximum(lengths, size), dtype=np.int64)

    def random(self, count: int, seed: int, step: int, process: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return utterances and starts of `count` random windows: int64 `(count,)` each."""
        return self._at(draw_integers(self._ends[-1], count, seed, step, process)[0])

    def even(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `count` positions spread evenly over all utterances: the same at every call, for evaluation."""
        return self._at(np.linspace(0, self._ends[-1] - 1, count).astype(np.int64))

    def _at(self, picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        utterances = np.searchsorted(self._ends, picks, side="right")
        weights = np.maximum(self.lengths[utterances], self.size)
        places = np.maximum(1, self.lengths[utterances] - self.size + 1)
        return utterances, (picks - self._ends[utterances] + weights) * places // weights
