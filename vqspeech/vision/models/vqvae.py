"""VQ-VAE on images (1711.00937, section 3): the codebooks of speech on a map of latents."""

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
    """VQ-VAE whose latents share one codebook at all places."""

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__(config, shape)
        self.quantizer: Codebook = QUANTIZER.make(self.config["quantizer"], dimension=self.dimension)
        self.codes = self.quantizer.size

    groups = {"model": Kinds("model", {"vqvae": Latents}), **CodeModel.groups, "quantizer": QUANTIZER}

    @staticmethod
    def count_outputs(options: Mapping[str, Any]) -> int:
        """Return the number of encoder outputs for each latent: its dimension."""
        return options["dimension"]

    def forward(self, batch: ImageBatch) -> Losses:
        """Return -log p(x|z) in nats a dimension and the codebook losses (eq. 3), the codes, and their mask."""
        vectors = self.encode_vectors(batch.images)
        mask = torch.ones(vectors.shape[0], vectors.shape[2], dtype=torch.bool, device=vectors.device)
        quantised = self.quantizer(vectors, mask)
        nll = -self.likelihood.log_prob(self.decode_vectors(quantised.vectors), batch.images).mean() / self.dimensions
        return {"nll": nll} | quantised.losses, quantised.codes, mask

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the vectors `(batch, dimension, time)` of codes `(batch, time)`."""
        return self.quantizer.lookup(codes)

    def choose_codes(self, images: Tensor) -> Tensor:
        """Return the nearest codes of images: int64 `(batch, time)`."""
        vectors = self.encode_vectors(images)
        return self.quantizer.nearest(vectors.transpose(1, 2).flatten(0, 1)).view(len(images), -1)

    @torch.inference_mode()
    def bound(self, images: Tensor) -> Tensor:
        """Return log p(x|z_q) p(z_q) under the uniform prior, one term of log Σ p(x|z) p(z), in nats `(batch,)`."""
        codes = self.encode(images)
        return self.log_likelihood(images, codes) - codes[0].numel() * math.log(self.codes)
