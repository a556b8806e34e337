"""Random batches of code maps, for priors over codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch, draw_integers
from vqspeech.errors import ImageError
from vqspeech.vision.data.codes import ImageCodes


@dataclass
class CodeBatch(Batch):
    """Maps of codes.

    Attributes:
        codes: int64 `(batch, latents, height, width)`, the latents of a place in the order of its row.
        classes: int64 `(batch,)`, 1 + the class, 0 where it is unknown.
    """

    codes: Tensor
    classes: Tensor


class CodeBatches:
    """Batches of the codes of images.

    Args:
        codes: The codes.
        classes: Classes the prior is conditioned on; empty for none.

    Raises:
        ImageError: The images have other classes.
    """

    def __init__(self, codes: ImageCodes, classes: Sequence[str]):
        if classes and list(codes.classes) != list(classes):
            raise ImageError(
                f"{codes.path}: its classes differ from those the prior was trained on; prepare the images together"
            )
        self.codes, self.has_classes = codes, bool(classes)

    def __len__(self) -> int:
        return len(self.codes)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> CodeBatch:
        """Draw `size` maps at random."""
        return self.select(draw_integers(len(self), size, seed, step, process)[0])

    def even(self, size: int) -> CodeBatch:
        """Return at most `size` maps, evenly spaced over the images: the same ones at every call, for evaluation."""
        return self.select(np.linspace(0, len(self) - 1, min(size, len(self))).astype(np.int64))

    def select(self, picks: np.ndarray) -> CodeBatch:
        """Return the maps of the images at `picks` `(n,)`."""
        labels = self.codes.table.labels[picks] + 1 if self.has_classes else np.zeros(len(picks), np.int64)
        return CodeBatch(to_grids(self.codes.codes[picks], self.codes.latents), torch.from_numpy(labels))


def to_grids(codes: np.ndarray, latents: int) -> Tensor:
    """Convert stored maps `(n, height, width * latents)` to int64 `(n, latents, height, width)`."""
    found = torch.from_numpy(np.asarray(codes).astype(np.int64))
    return found.unflatten(2, (-1, latents)).movedim(3, 1)


def to_maps(codes: Tensor) -> np.ndarray:
    """Convert grids `(n, latents, height, width)` to stored maps int64 `(n, height, width * latents)`."""
    return codes.movedim(1, 3).flatten(2).cpu().numpy()
