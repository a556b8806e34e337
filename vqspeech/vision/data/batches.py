"""Random batches of images; a batch is a function of (seed, step, process) alone, so that runs resume exactly."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch, draw_integers
from vqspeech.vision.data.images import ImageSet


@dataclass
class ImageBatch(Batch):
    """Images and their classes.

    Attributes:
        images: uint8 `(batch, channels, height, width)`.
        labels: int64 `(batch,)`, -1 where there is no class.
    """

    images: Tensor
    labels: Tensor


class ImageBatches:
    """Batches of a set of images.

    Args:
        images: The set.
        flip: Mirror half of the randomly drawn images.
    """

    def __init__(self, images: ImageSet, flip: bool = False):
        self.images, self.flip = images, flip

    def random(self, size: int, seed: int, step: int, process: int = 0) -> ImageBatch:
        """Draw `size` images at random."""
        picks, generator = draw_integers(len(self.images), size, seed, step, process)
        batch = self._batch(picks)
        if self.flip:
            mirrored = torch.from_numpy(generator.random(size) < 0.5)
            batch.images[mirrored] = batch.images[mirrored].flip(3)
        return batch

    def even(self, size: int) -> ImageBatch:
        """Return at most `size` images, evenly spaced over the set: the same ones at every call, for evaluation."""
        return self._batch(self.even_indices(size))

    def even_indices(self, size: int) -> np.ndarray:
        """Return the indices of the images of `even`: int64 `(size,)`."""
        size = min(size, len(self.images))
        return np.linspace(0, len(self.images) - 1, size).astype(np.int64)

    def _batch(self, picks: np.ndarray) -> ImageBatch:
        return ImageBatch(
            torch.from_numpy(self.images.pixels(picks)), torch.from_numpy(self.images.table.labels[picks])
        )
