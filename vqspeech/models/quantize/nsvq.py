"""The codebook trained by noise substitution."""

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import Codebook


class NsvqCodebook(Codebook):
    """In training the error of quantisation is replaced by noise of the same size.

    Vali and Bäckström 2022, "NSVQ: Noise Substitution in Vector Quantization for Machine Learning", IEEE Access 10:

        ẑ = z + ‖z − e‖ · v / ‖v‖, v ~ N(0, I)

    Its gradient reaches encoder and codebook through the decoder's own loss; there is no other. Evaluation uses the
    nearest neighbour. `EPSILON` is inside the norm, √(‖z − e‖² + ε): outside of the root the gradient is not a number
    where a vector equals its code.
    """

    learned = True
    EPSILON = 1e-12

    def substitute(self, z: Tensor, chosen: Tensor) -> Tensor:
        """Return z with noise of the size of its quantisation error."""
        noise = torch.randn_like(z)
        return z + norm(z - chosen) / norm(noise) * noise


def norm(x: Tensor) -> Tensor:
    """Return the Euclidean norm over dimensions: `(batch, dimension, time)` → `(batch, 1, time)`."""
    return (x.square().sum(1, keepdim=True) + NsvqCodebook.EPSILON).sqrt()
