"""The codebook trained by gradient, as in the body of the paper."""

import torch
from torch import Tensor, nn

from vqspeech.models.quantize.codebook import Codebook, Initial, commitment_loss, mean_square
from vqspeech.models.quantize.replacement import Batches, Unit
from vqspeech.schema import Codes, NonNegative, Share, Width


class GradientCodebook(Codebook):
    """Codebook loss ‖sg(z) − e‖² beside the commitment loss (1711.00937, eq. 3), with β = 0.25.

    `quantizer=paper` has the paper's own settings: no code is revived, and none is initialised by k-means.
    """

    def __init__(
        self,
        codes: Codes,
        dimension: Width,
        beta: NonNegative = 0.25,
        decay: Share = 0.99,
        revive_below: NonNegative = 0.02,
        revive_by: Unit = "vectors",
        revive_until: Batches = 0,
        initial: Initial = "kmeans",
    ):
        super().__init__(codes, dimension, decay, revive_below, revive_by, revive_until, initial)
        self.beta = beta
        self.weight = nn.Parameter(torch.randn(codes, dimension) / codes)
        self.begin()

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return commitment and codebook loss."""
        return commitment_loss(self.beta, z, chosen, weights) | {"codebook": mean_square(z.detach() - chosen, weights)}
