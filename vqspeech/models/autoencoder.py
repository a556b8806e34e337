"""The least VQ-VAE there is, for vectors: small enough to be trained in seconds, so that studies can have many."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqspeech.models.quantize import Quantised, make_quantizer


class Autoencoder(nn.Module):
    """Vectors of `dimension` numbers through `codes_each` codes of one codebook and back; encoder and decoder have a
    hidden layer of `hidden` each, `options` are those of the quantiser. `variance` of the data is what errors are
    measured by."""

    def __init__(
        self, dimension: int, variance: float, options: Mapping[str, Any], hidden: int, codes_each: int, latents: int
    ):
        super().__init__()
        self.variance, self.codes_each = variance, codes_each
        self.encoder = nn.Sequential(nn.Linear(dimension, hidden), nn.ReLU(), nn.Linear(hidden, latents * codes_each))
        self.quantizer = make_quantizer(dimension=latents, **options)
        self.decoder = nn.Sequential(nn.Linear(latents * codes_each, hidden), nn.ReLU(), nn.Linear(hidden, dimension))

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Quantised]:
        """Losses of x `(batch, dimension)` by name, whose sum is minimised (1711.00937, eq. 3), and its codes.

        `reconstruction` is the mean squared error as a share of the variance.
        """
        z = self.encoder(x).view(len(x), -1, self.codes_each)  # (batch, latents, codes)
        mask = torch.ones(len(x), self.codes_each, dtype=torch.bool, device=x.device)
        found = self.quantizer(z, mask)
        error = nn.functional.mse_loss(self.decoder(found.vectors.flatten(1)), x) / self.variance
        return {"reconstruction": error} | found.losses, found
