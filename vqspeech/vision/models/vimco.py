"""VIMCO on images (Mnih & Rezende 2016, arXiv 1602.06725): categorical latents, a bound of several samples.

    L = log 1/S Σ_s f(z_s),   f(z) = p(x|z) p(z) / q(z|x),   z_s from q
    ∇L ≈ Σ_s (L - L_{-s}) ∇ log q(z_s|x) + Σ_s w_s ∇ log f(z_s),   w_s = f(z_s) / Σ f

where L_{-s} replaces f(z_s) by the geometric mean of the other samples' f (eq. 8 to 10).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Codes, Kinds, Range
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models.autoencoder import CodeModel, Latents, Losses


@dataclass(frozen=True)
class SampledLatents(Latents):
    """Options of the group `model`.

    Attributes:
        codes: Number of codes of a latent.
        samples: Samples of the bound; at least two, since each is compared with the others.
    """

    codes: Codes
    samples: Annotated[int, Range(2, 10_000)]


class VIMCO(CodeModel):
    """Model whose latents are each one of `model.codes` embeddings; the prior is uniform.

    `model.samples` samples are drawn for each image and step.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__(config, shape)
        self.codes, self.samples = self.config["model"]["codes"], self.config["model"]["samples"]
        self.embedding = nn.Embedding(self.codes, self.dimension)

    groups = {"model": Kinds("model", {"vimco": SampledLatents}), **CodeModel.groups}

    @staticmethod
    def count_outputs(options: Mapping[str, Any]) -> int:
        """Return the number of encoder outputs for each latent: one a code."""
        return options["codes"]

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the embeddings `(batch, dimension, time)` of codes `(batch, time)`."""
        return self.embedding(codes).transpose(1, 2)

    def posterior(self, images: Tensor) -> Tensor:
        """Return log q of every code of every latent: float32 `(batch, time, codes)`."""
        return F.log_softmax(self.encode_vectors(images).float().transpose(1, 2), 2)

    def choose_codes(self, images: Tensor) -> Tensor:
        """Return the most probable codes of images: int64 `(batch, time)`."""
        return self.posterior(images).argmax(2)

    def log_weights(self, images: Tensor, posterior: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return log f(z) and log q(z|x) of codes `(samples, batch, time)`, in nats: `(samples, batch)` each."""
        log_q = posterior.gather(2, codes.permute(1, 2, 0)).sum(1).T  # (samples, batch)
        outputs = self.decode_vectors(self.lookup(codes.flatten(0, 1)))
        log_p = self.likelihood.log_prob(outputs, images.repeat(len(codes), 1, 1, 1)).view(codes.shape[:2])
        return log_p - codes.shape[2] * math.log(self.codes) - log_q, log_q

    def forward(self, batch: ImageBatch) -> Losses:
        """Return the negative bound in nats a dimension, with VIMCO's gradient, and the codes of the first sample."""
        posterior = self.posterior(batch.images)
        codes = draw_codes(posterior.detach(), self.samples)
        weights, log_q = self.log_weights(batch.images, posterior, codes)
        objective = surrogate_bound(weights, log_q)
        mask = torch.ones_like(codes[0], dtype=torch.bool)
        return {"bound": -objective.mean() / self.dimensions}, codes[0], mask

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """Return the bound of `model.samples` new samples, in nats `(batch,)`."""
        images = self.check_images(images)
        posterior = self.posterior(images)
        parts = [
            self.log_weights(images, posterior, draw_codes(posterior, 1))[0][0] for _ in range(self.samples)
        ]  # one by one: the decodings of 50 samples are large
        return torch.logsumexp(torch.stack(parts), 0) - math.log(self.samples)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Decode codes drawn from the posterior, the same at every call.

        The decoder is trained on such codes and rarely sees the most probable ones while the posterior is broad.
        """
        generator = torch.Generator(self.device).manual_seed(0)
        codes = draw_codes(self.posterior(self.check_images(images)), 1, generator)[0]
        return self.decode(codes.view(-1, *self.code_shape))


def draw_codes(posterior: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw independent codes int64 `(samples, batch, time)` from log probabilities `(batch, time, codes)`."""
    odds = posterior.exp().flatten(0, 1)
    codes = torch.multinomial(odds, samples, replacement=True, generator=generator)
    return codes.T.reshape(samples, *posterior.shape[:2])


def surrogate_bound(weights: Tensor, log_q: Tensor) -> Tensor:
    """Return the bound `(batch,)` of log f and log q `(samples, batch)`, with VIMCO's gradient.

    The term with the learning signal of each sample has the value 0 and contributes its gradient.
    """
    samples = len(weights)
    bound = torch.logsumexp(weights, 0) - math.log(samples)
    others = (weights.sum(0) - weights) / (samples - 1)  # mean log f of the others: log of their geometric mean
    replaced = torch.where(torch.eye(samples, dtype=torch.bool, device=weights.device)[:, :, None], others, weights)
    signal = (bound - (torch.logsumexp(replaced, 1) - math.log(samples))).detach()  # (samples, batch)
    return bound + (signal * (log_q - log_q.detach())).sum(0)
