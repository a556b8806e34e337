"""The codebook updated by exponential moving averages, as in the paper's appendix A.1: hard EM."""

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import Codebook, Initial, commitment_loss
from vqspeech.models.quantize.replacement import Batches, Unit
from vqspeech.schema import Codes, NonNegative, Share, Width


class EmaCodebook(Codebook):
    """Each code is the running mean of the vectors it was chosen for (1711.00937, appendix, eq. 6 to 8), γ = 0.99.

    N ← γN + (1−γ)n, m ← γm + (1−γ)Σz, e = m / N: the M step of hard EM (1805.11063). A revived code sets embedding,
    count and running sum together: with the sum left as it was, the next step would move the code straight back.
    """

    sums: Tensor

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
        self.register_buffer("weight", torch.randn(codes, dimension) / codes)
        self.register_buffer("sums", torch.zeros(codes, dimension))
        self.begin()

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return the commitment loss."""
        return commitment_loss(self.beta, z, chosen, weights)

    def set_vectors(self, rows: Tensor, vectors: Tensor, count: Tensor | float) -> None:
        """Set codes, their counts and running sums."""
        super().set_vectors(rows, vectors, count)
        self.sums[rows] = vectors * self.counts[rows, None]

    def move(self, numbers: Tensor, sums: Tensor) -> None:
        """Update running sums and codes (eq. 7 and 8)."""
        self.sums.lerp_(sums, 1 - self.decay)
        counted = self.counts[:, None] > 1e-5  # a code unused for so long stays where it was
        self.weight.copy_(torch.where(counted, self.sums / self.counts[:, None], self.weight))
