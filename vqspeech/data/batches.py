"""Batches of tensors, and where the windows that fill them are taken from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

AnyBatch = TypeVar("AnyBatch", bound="Batch")


@dataclass
class Batch:
    """What a model's forward takes: a dataclass whose fields are tensors with the items along axis 0, or None."""

    def to(self: AnyBatch, device: torch.device | str) -> AnyBatch:
        """Return the batch on a device."""
        return self.each(lambda tensor: tensor.to(device))

    def each(self: AnyBatch, function: Callable[[Tensor], Tensor]) -> AnyBatch:
        """Return the batch with `function` applied to every tensor."""
        return replace(self, **{name: function(value) for name, value in vars(self).items() if value is not None})


class WindowPositions:
    """Where windows of `size` lie in utterances of so many `lengths` int `(utterances,)`, in the same measure.

    An utterance is drawn in proportion to how many windows it takes to cover it, and the window's place in it evenly,
    so that what short utterances hold is as likely as that of long ones.
    """

    def __init__(self, lengths: np.ndarray, size: int):
        self.lengths, self.size = lengths, size
        self._ends = np.cumsum(np.maximum(lengths, size))

    def random(self, count: int, seed: int, step: int, process: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Utterances and starts of `count` windows drawn at random: int64 `(count,)` each."""
        generator = np.random.default_rng([seed, step, process])
        return self._at(generator.integers(self._ends[-1], size=count))

    def even(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """As `random`, spread evenly over all utterances: the same ones at every call, for evaluation."""
        return self._at(np.linspace(0, self._ends[-1] - 1, count).astype(np.int64))

    def _at(self, picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        utterances = np.searchsorted(self._ends, picks, side="right")
        weights = np.diff(self._ends, prepend=0)[utterances]
        places = np.maximum(1, self.lengths[utterances] - self.size + 1)
        return utterances, (picks - self._ends[utterances] + weights) * places // weights
