"""The VAE on images (Kingma & Welling 2014, arXiv 1312.6114): Gaussian posterior and prior, one sample a step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vqspeech.schema import Kinds
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models.autoencoder import Autoencoder, Latents, Losses

SPREAD = (-8.0, 8.0)
"""Log variances are kept in here."""


class VAE(Autoencoder):
    """Latents are numbers: `model.latents` of them a place, each of `model.dimension` (1 in the paper)."""

    groups = {"model": Kinds("model", {"vae": Latents}), **Autoencoder.groups}

    @staticmethod
    def outputs(options: Mapping[str, Any]) -> int:
        return 2 * options["dimension"]

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), float32 `(batch, dimension, time)` each."""
        mean, spread = self.encoded(images).float().chunk(2, 1)
        return mean, spread.clamp(*SPREAD)

    def divergence(self, mean: Tensor, spread: Tensor) -> Tensor:
        """KL(q(z|x) ‖ N(0, 1)), in nats: `(batch,)`."""
        return 0.5 * (mean.square() + spread.exp() - 1 - spread).flatten(1).sum(1)

    def forward(self, batch: ImageBatch) -> Losses:
        """-log p(x|z) of one z, and the divergence, in nats a dimension; no codes."""
        mean, spread = self.posterior(batch.images)
        z = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        nll = -self.likelihood.log_prob(self.decoded(z), batch.images).mean() / self.dimensions
        none = torch.zeros(0, dtype=torch.long, device=mean.device)
        return {"nll": nll, "kl": self.divergence(mean, spread).mean() / self.dimensions}, none, none.bool()

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """log p(x|z) - KL with one z drawn for each image: an unbiased estimate of the bound."""
        images = self.checked(images)
        mean, spread = self.posterior(images)
        z = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        return self.likelihood.log_prob(self.decoded(z), images) - self.divergence(mean, spread)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor) -> Tensor:
        return self.likelihood.best(self.decoded(self.posterior(self.checked(images))[0]))
