"""Retrieval: latents of a source are moved towards those that the target has of the same sounds.

Latents say something of the voice of the source. Those of the target's recordings say it of the target's, so a share of
each latent is replaced by the nearest of them (kNN-VC: Baas, van Niekerk, Kamper, "Voice conversion with just nearest
neighbors", 2023, 2305.18975). What is kept of the recordings is a mean for each code of the codebook: the exemplars of
a voice.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.models.conditioning import first_stage
from vqspeech.models.quantize import Codebook
from vqspeech.models.quantize.residual import ResidualCodebook

_ROWS = 4096
"""Latents that are compared with all exemplars at a time."""


class ExemplarSums:
    """Sums of the latents of recordings by code, from which exemplars are made.

    Args:
        quantizer: The codebook; of several stages, the first counts.
    """

    def __init__(self, quantizer: Codebook | ResidualCodebook):
        self._stage = first_stage(quantizer)
        self._sums = torch.zeros_like(self._stage.weight, dtype=torch.float32)
        self._counts = self._sums.new_zeros(len(self._sums))

    def add(self, latents: Tensor) -> None:
        """Add the latents of a recording, `(latents, dimension)`; zeros, where there is no speech, do not count."""
        spoken = latents[latents.any(1)].float()
        codes = self._stage.nearest(spoken)
        self._sums.index_add_(0, codes, spoken)
        self._counts.index_add_(0, codes, torch.ones_like(spoken[:, 0]))

    def average(self) -> Tensor:
        """Return the mean latent of each code that occurred: `(exemplars, dimension)`."""
        occurred = self._counts > 0
        return self._sums[occurred] / self._counts[occurred, None]


def move_to_exemplars(latents: Tensor, exemplars: Tensor, share: float) -> Tensor:
    """Return latents of which a share is replaced by the nearest exemplar, by the angle between them.

    Args:
        latents: `(latents, dimension)`; zeros, where there is no speech, stay.
        exemplars: `(exemplars, dimension)`, at least one.
        share: From 0, no change, to 1, exemplars alone.

    Returns:
        `(latents, dimension)`.
    """
    directions = F.normalize(exemplars, dim=1).T
    nearest = torch.cat([(part @ directions).argmax(1) for part in latents.split(_ROWS)])
    return torch.where(latents.any(1, keepdim=True), torch.lerp(latents, exemplars[nearest], share), latents)
