"""The codebook fitted by k-means to the vectors of an autoencoder that is trained without one."""

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import Codebook


class KmeansCodebook(Codebook):
    """A codebook fitted by mini-batch k-means to vectors that pass through unchanged in training, without a loss.

    Sculley 2010, "Web-scale k-means clustering", algorithm 1; MiniBatchKMeans of scikit-learn. In evaluation the
    nearest code replaces a vector, so the decoder is never trained on quantised vectors.

    N ← γN + n, m ← γm + Σz, e = m / N. With γ = 1 a code is the mean of all vectors it was ever chosen for: mini-batch
    k-means itself, for vectors that do not change. While an encoder still learns, γ < 1 forgets its output of 1 / (1−γ)
    batches ago. The usage by which codes are declared dead is forgotten at least as fast as in other codebooks.
    `fitted` is true from the first batch on.
    """

    seen: Tensor
    sums: Tensor

    def register_statistics(self) -> None:
        """Register the numbers and sums of vectors, which `decay` is the memory of."""
        self.memory, self.decay = self.decay, min(self.decay, 0.99)
        self.register_buffer("seen", torch.zeros_like(self.counts))
        self.register_buffer("sums", torch.zeros_like(self.weight))

    def substitute(self, z: Tensor, chosen: Tensor) -> Tensor:
        """Return z unchanged."""
        return z

    def set_vectors(self, rows: Tensor, vectors: Tensor, count: Tensor | float) -> None:
        """Set codes, their counts and sums."""
        super().set_vectors(rows, vectors, count)
        self.seen[rows] = count
        self.sums[rows] = vectors * self.seen[rows, None]

    def move(self, numbers: Tensor, sums: Tensor) -> None:
        """Update counts, sums and codes."""
        self.seen.mul_(self.memory).add_(numbers)
        self.sums.mul_(self.memory).add_(sums)
        counted = self.seen[:, None] > 1e-5
        self.weight.copy_(torch.where(counted, self.sums / self.seen[:, None], self.weight))
