"""The VQ-VAE on images (1711.00937, section 3): the same codebooks as for speech, on a map of latents."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vqspeech.models.quantize import QUANTIZER, Codebook
from vqspeech.schema import Kinds
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models.autoencoder import CodeModel, Latents, Losses


class VQVAE(CodeModel):
    """The latents of all places share one codebook."""

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__(config, shape)
        self.quantizer: Codebook = QUANTIZER.make(self.config["quantizer"], dimension=self.dimension)
        self.codes = self.quantizer.size

    groups = {"model": Kinds("model", {"vqvae": Latents}), **CodeModel.groups, "quantizer": QUANTIZER}

    @staticmethod
    def outputs(options: Mapping[str, Any]) -> int:
        return options["dimension"]

    def forward(self, batch: ImageBatch) -> Losses:
        """-log p(x|z) in nats a dimension, and the codebook's losses (eq. 3)."""
        vectors = self.encoded(batch.images)
        mask = torch.ones(vectors.shape[0], vectors.shape[2], dtype=torch.bool, device=vectors.device)
        quantised = self.quantizer(vectors, mask)
        nll = -self.likelihood.log_prob(self.decoded(quantised.vectors), batch.images).mean() / self.dimensions
        return {"nll": nll} | quantised.losses, quantised.codes, mask

    def lookup(self, codes: Tensor) -> Tensor:
        return self.quantizer.lookup(codes)

    def chosen(self, images: Tensor) -> Tensor:
        vectors = self.encoded(images)
        return self.quantizer.nearest(vectors.transpose(1, 2).flatten(0, 1)).view(len(images), -1)

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """log p(x|z_q) p(z_q) under the uniform prior: one term of log p(x) = log Σ p(x|z) p(z), so never more."""
        codes = self.encode(images)
        return self.log_likelihood(images, codes) - codes[0].numel() * math.log(self.codes)
