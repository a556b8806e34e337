"""Random maps of codes as batches of tensors, for priors over codes; drawn as images are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch
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
    """Batches of the codes of images. Raises `ImageError` where their classes are not `classes`."""

    def __init__(self, codes: ImageCodes, classes: Sequence[str]):
        if classes and list(codes.classes) != list(classes):
            raise ImageError(f"{codes.path}: has other classes than were learned from; prepare the images together")
        self.codes, self.told = codes, bool(classes)

    def __len__(self) -> int:
        return len(self.codes)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> CodeBatch:
        """`size` maps drawn at random."""
        return self.at(np.random.default_rng([seed, step, process]).integers(len(self), size=size))

    def even(self, size: int) -> CodeBatch:
        """At most `size` maps spread evenly over the images: the same ones at every call, for evaluation."""
        return self.at(np.linspace(0, len(self) - 1, min(size, len(self))).astype(np.int64))

    def at(self, picks: np.ndarray) -> CodeBatch:
        """The maps of those images `(n,)`."""
        labels = self.codes.table.labels[picks] + 1 if self.told else np.zeros(len(picks), np.int64)
        return CodeBatch(grids(self.codes.codes[picks], self.codes.latents), torch.from_numpy(labels))


def grids(codes: np.ndarray, latents: int) -> Tensor:
    """Maps `(n, height, width * latents)` as they are kept → int64 `(n, latents, height, width)`."""
    found = torch.from_numpy(np.asarray(codes).astype(np.int64))
    return found.unflatten(2, (-1, latents)).movedim(3, 1)


def maps(codes: Tensor) -> np.ndarray:
    """The way back: `(n, latents, height, width)` → int64 `(n, height, width * latents)`."""
    return codes.movedim(1, 3).flatten(2).cpu().numpy()
