"""A codebook whose codes move towards the vectors that chose them, at a fixed rate: online k-means."""

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import Codebook, Initial, commitment_loss
from vqspeech.models.quantize.replacement import Batches, Unit
from vqspeech.schema import Codes, NonNegative, Share, Width


class OnlineCodebook(Codebook):
    """After each batch e ← e + rate · (mean of its vectors − e), for the codes that were chosen.

    Unlike `ema`, it keeps no running sums: a code that is rarely chosen moves as far as one that often is.
    """

    def __init__(
        self,
        codes: Codes,
        dimension: Width,
        beta: NonNegative = 0.25,
        rate: Share = 0.05,
        decay: Share = 0.99,
        revive_below: NonNegative = 0.02,
        revive_by: Unit = "vectors",
        revive_until: Batches = 0,
        initial: Initial = "kmeans",
    ):
        super().__init__(codes, dimension, decay, revive_below, revive_by, revive_until, initial)
        self.beta, self.rate = beta, rate
        self.register_buffer("weight", torch.randn(codes, dimension) / codes)
        self.begin()

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return the commitment loss."""
        return commitment_loss(self.beta, z, chosen, weights)

    def move(self, numbers: Tensor, sums: Tensor) -> None:
        """Update the codes; `numbers` `(codes,)` and `sums` `(codes, dimension)` are those of all processes."""
        chosen = numbers > 0
        means = sums[chosen] / numbers[chosen, None]
        self.weight[chosen] = self.weight[chosen].lerp(means, self.rate)
