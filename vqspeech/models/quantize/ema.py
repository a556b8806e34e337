"""The codebook updated by exponential moving averages, as in the paper's appendix A.1: hard EM."""

from typing import Annotated, Any

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import CODEBOOK, Codebook, commitment_loss
from vqspeech.schema import Codes, NonNegative, Width


class EmaCodebook(Codebook):
    """Each code is the running mean of the vectors it was chosen for (1711.00937, appendix, eq. 6 to 8), γ = 0.99.

    N ← γN + (1−γ)n, m ← γm + (1−γ)Σz, e = m / N: the M step of hard EM (1805.11063). A revived code sets embedding,
    count and running sum together: with the sum left as it was, the next step would move the code straight back.
    """

    sums: Tensor

    def __init__(self, codes: Codes, dimension: Width, beta: NonNegative = 0.25, **options: Annotated[Any, CODEBOOK]):
        super().__init__(codes, dimension, **options)
        self.beta = beta

    def register_statistics(self) -> None:
        """Register the running sums."""
        self.register_buffer("sums", torch.zeros_like(self.weight))

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
