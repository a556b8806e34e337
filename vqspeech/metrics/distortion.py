"""What a codebook costs and how it is used, on vectors it has not learned from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vqspeech.metrics.codebook import perplexity, used
from vqspeech.models.quantize import Codebook


@torch.no_grad()
def distortion(quantizer: Codebook, vectors: Tensor) -> Mapping[str, float]:
    """Of float32 `(vectors, dimension)`: `mse`, the mean squared error by vector and dimension of the nearest codes;
    `dead`, the number of codes that none of them chose; `perplexity` of the codes."""
    codes = quantizer.nearest(vectors)
    error = (vectors - quantizer.weight[codes]).square().mean()
    counts = codes.bincount(minlength=quantizer.size).cpu().numpy()
    return {"mse": float(error), "dead": float(quantizer.size - used(counts)), "perplexity": perplexity(counts)}
