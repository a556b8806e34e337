"""VAE on images (Kingma & Welling 2014, arXiv 1312.6114): Gaussian posterior and prior, one sample a step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vqspeech.schema import Kinds
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models.autoencoder import Autoencoder, Latents, Losses

SPREAD = (-8.0, 8.0)
"""Range that log variances are clamped to."""


class VAE(Autoencoder):
    """VAE with `model.latents` latents of `model.dimension` real numbers (1 in the paper) at every place."""

    groups = {"model": Kinds("model", {"vae": Latents}), **Autoencoder.groups}

    @staticmethod
    def count_outputs(options: Mapping[str, Any]) -> int:
        """Return the number of encoder outputs for each latent: mean and log variance."""
        return 2 * options["dimension"]

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), float32 `(batch, dimension, time)` each."""
        mean, spread = self.encode_vectors(images).float().chunk(2, 1)
        return mean, spread.clamp(*SPREAD)

    def divergence(self, mean: Tensor, spread: Tensor) -> Tensor:
        """Return KL(q(z|x) ‖ N(0, 1)) in nats: `(batch,)`."""
        return 0.5 * (mean.square() + spread.exp() - 1 - spread).flatten(1).sum(1)

    def forward(self, batch: ImageBatch) -> Losses:
        """Return -log p(x|z) of one sample z, and the divergence, in nats a dimension; no codes."""
        mean, spread = self.posterior(batch.images)
        z = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        nll = -self.likelihood.log_prob(self.decode_vectors(z), batch.images).mean() / self.dimensions
        none = torch.zeros(0, dtype=torch.long, device=mean.device)
        return {"nll": nll, "kl": self.divergence(mean, spread).mean() / self.dimensions}, none, none.bool()

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """Return log p(x|z) - KL with one z drawn an image, an unbiased estimate of the ELBO, in nats `(batch,)`."""
        images = self.check_images(images)
        mean, spread = self.posterior(images)
        z = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        return self.likelihood.log_prob(self.decode_vectors(z), images) - self.divergence(mean, spread)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Decode the posterior mean of each image."""
        return self.likelihood.round_mean(self.decode_vectors(self.posterior(self.check_images(images))[0]))
