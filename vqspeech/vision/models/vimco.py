"""VIMCO on images (Mnih & Rezende 2016, arXiv 1602.06725): categorical latents, a bound of several samples.

    L = log 1/S Σ_s f(z_s),   f(z) = p(x|z) p(z) / q(z|x),   z_s from q
    ∇L ≈ Σ_s (L - L_{-s}) ∇ log q(z_s|x) + Σ_s w_s ∇ log f(z_s),   w_s = f(z_s) / Σ f

where L_{-s} has the geometric mean of the other samples' f in the place of f(z_s) (eq. 8 to 10).
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
    """Options of the group `model`: each latent is one of so many codes; each sample is held against the others, so
    there are two at least."""

    codes: Codes
    samples: Annotated[int, Range(2, 10_000)]


class VIMCO(CodeModel):
    """Each latent is one of `model.codes`, with a vector of its own; the prior is uniform. `model.samples` are drawn a
    step and image."""

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__(config, shape)
        self.codes, self.samples = self.config["model"]["codes"], self.config["model"]["samples"]
        self.embedding = nn.Embedding(self.codes, self.dimension)

    groups = {"model": Kinds("model", {"vimco": SampledLatents}), **CodeModel.groups}

    @staticmethod
    def outputs(options: Mapping[str, Any]) -> int:
        return options["codes"]

    def lookup(self, codes: Tensor) -> Tensor:
        return self.embedding(codes).transpose(1, 2)

    def posterior(self, images: Tensor) -> Tensor:
        """log q of every code of every latent, float32 `(batch, time, codes)`."""
        return F.log_softmax(self.encoded(images).float().transpose(1, 2), 2)

    def chosen(self, images: Tensor) -> Tensor:
        return self.posterior(images).argmax(2)

    def log_weights(self, images: Tensor, posterior: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """log f(z) and log q(z|x) of codes `(samples, batch, time)`, in nats: `(samples, batch)` each."""
        log_q = posterior.gather(2, codes.permute(1, 2, 0)).sum(1).T  # (samples, batch)
        outputs = self.decoded(self.lookup(codes.flatten(0, 1)))
        log_p = self.likelihood.log_prob(outputs, images.repeat(len(codes), 1, 1, 1)).view(codes.shape[:2])
        return log_p - codes.shape[2] * math.log(self.codes) - log_q, log_q

    def forward(self, batch: ImageBatch) -> Losses:
        """The bound's negative in nats a dimension, with VIMCO's gradient; the codes of the first sample."""
        posterior = self.posterior(batch.images)
        codes = drawn(posterior.detach(), self.samples)
        weights, log_q = self.log_weights(batch.images, posterior, codes)
        objective = surrogate(weights, log_q)
        mask = torch.ones_like(codes[0], dtype=torch.bool)
        return {"bound": -objective.mean() / self.dimensions}, codes[0], mask

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """The bound of `model.samples` samples, drawn anew."""
        images = self.checked(images)
        posterior = self.posterior(images)
        parts = [
            self.log_weights(images, posterior, drawn(posterior, 1))[0][0] for _ in range(self.samples)
        ]  # one by one: the decodings of 50 samples are large
        return torch.logsumexp(torch.stack(parts), 0) - math.log(self.samples)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through codes drawn from the posterior, the same at every call, and back: the decoder has learned from
        such, and rarely sees the likeliest ones while the posterior is broad."""
        generator = torch.Generator(self.device).manual_seed(0)
        codes = drawn(self.posterior(self.checked(images)), 1, generator)[0]
        return self.decode(codes.view(-1, *self.code_shape))


def drawn(posterior: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Codes int64 `(samples, batch, time)` from log probabilities `(batch, time, codes)`, independent of each other."""
    odds = posterior.exp().flatten(0, 1)
    codes = torch.multinomial(odds, samples, replacement=True, generator=generator)
    return codes.T.reshape(samples, *posterior.shape[:2])


def surrogate(weights: Tensor, log_q: Tensor) -> Tensor:
    """The bound `(batch,)` of log f and log q `(samples, batch)`; its gradient is VIMCO's.

    The value is that of the bound: the term that brings in the signal of each sample is zero and has its gradient.
    """
    samples = len(weights)
    bound = torch.logsumexp(weights, 0) - math.log(samples)
    others = (weights.sum(0) - weights) / (samples - 1)  # mean log f of the others: log of their geometric mean
    replaced = torch.where(torch.eye(samples, dtype=torch.bool, device=weights.device)[:, :, None], others, weights)
    signal = (bound - (torch.logsumexp(replaced, 1) - math.log(samples))).detach()  # (samples, batch)
    return bound + (signal * (log_q - log_q.detach())).sum(0)
