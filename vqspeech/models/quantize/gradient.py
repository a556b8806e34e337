"""The codebook trained by gradient, as in the body of the paper."""

from typing import Annotated, Any

from torch import Tensor

from vqspeech.models.quantize.codebook import CODEBOOK, Codebook, commitment_loss, mean_square
from vqspeech.schema import Codes, NonNegative, Width


class GradientCodebook(Codebook):
    """Codebook loss ‖sg(z) − e‖² and commitment loss (1711.00937, eq. 3), with β = 0.25.

    `quantizer=paper` has the paper's own settings: no code is revived, and none is initialised by k-means.
    """

    learned = True

    def __init__(self, codes: Codes, dimension: Width, beta: NonNegative = 0.25, **options: Annotated[Any, CODEBOOK]):
        super().__init__(codes, dimension, **options)
        self.beta = beta

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return commitment and codebook loss."""
        return commitment_loss(self.beta, z, chosen, weights) | {"codebook": mean_square(z.detach() - chosen, weights)}
