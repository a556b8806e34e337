"""A minimal VQ-VAE for vectors, small enough to be trained in seconds, for studies of quantisers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqspeech.models.quantize import Quantised, make_quantizer


class Autoencoder(nn.Module):
    """An autoencoder of vectors with a hidden layer on either side and one codebook.

    Args:
        dimension: Numbers of a vector.
        variance: Variance of the data, by which errors are divided.
        options: Options of the quantiser.
        hidden: Units of each hidden layer.
        codes_each: Codes of each vector, all of the same codebook.
        latents: Dimension of a code vector.
    """

    def __init__(
        self, dimension: int, variance: float, options: Mapping[str, Any], hidden: int, codes_each: int, latents: int
    ):
        super().__init__()
        self.variance, self.codes_each = variance, codes_each
        self.encoder = nn.Sequential(nn.Linear(dimension, hidden), nn.ReLU(), nn.Linear(hidden, latents * codes_each))
        self.quantizer = make_quantizer(dimension=latents, **options)
        self.decoder = nn.Sequential(nn.Linear(latents * codes_each, hidden), nn.ReLU(), nn.Linear(hidden, dimension))

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Quantised]:
        """Return losses (1711.00937, eq. 3) and codes of vectors.

        Args:
            x: `(batch, dimension)`.

        Returns:
            Losses by name, whose sum is minimised; `reconstruction` is the mean squared error over the variance. What
            the quantiser returned.
        """
        z = self.encoder(x).view(len(x), -1, self.codes_each)  # (batch, latents, codes)
        mask = torch.ones(len(x), self.codes_each, dtype=torch.bool, device=x.device)
        found = self.quantizer(z, mask)
        error = nn.functional.mse_loss(self.decoder(found.vectors.flatten(1)), x) / self.variance
        return {"reconstruction": error} | found.losses, found
