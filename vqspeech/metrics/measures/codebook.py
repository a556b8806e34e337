"""How a codebook is used, and what it costs."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vqspeech.models.quantize import Codebook


def perplexity(counts: np.ndarray) -> float:
    """Return exp of the entropy of codes chosen `counts` `(codes,)` times: from 1 (one code) to K (all alike).

    Taken over all the speech at hand: over one batch it is small for want of data, which is no collapse.
    """
    total = counts.sum()
    if not total:
        return 0.0
    share = counts[counts > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def count_used(counts: np.ndarray) -> int:
    """Return the number of codes that were chosen at all."""
    return int((counts > 0).sum())


def bit_rate(rate: float, codes: int) -> float:
    """Return bits per second of `rate` codes per second out of `codes`, without entropy coding: rate · log2 K."""
    return rate * float(np.log2(codes))


def entropy_rate(rate: float, counts: np.ndarray) -> float:
    """Return bits per second at the entropy of the codes as they were used: rate · -Σ p(k) log2 p(k).

    It is the bit rate of the ZeroSpeech challenges (Dunbar et al. 2019, arXiv 1904.11469): N symbols in D seconds make
    N / D · H.
    """
    return rate * float(np.log2(max(perplexity(counts), 1.0)))


@torch.no_grad()
def measure_distortion(quantizer: Codebook, vectors: Tensor) -> Mapping[str, float]:
    """Return what a codebook costs on vectors, and how it is used.

    Args:
        quantizer: The codebook.
        vectors: float32 `(vectors, dimension)`.

    Returns:
        `mse`, the mean squared error by vector and dimension of the nearest codes; `dead`, the number of codes that
        none of them chose; `perplexity` of the codes.
    """
    codes = quantizer.nearest(vectors)
    error = (vectors - quantizer.weight[codes]).square().mean()
    counts = codes.bincount(minlength=quantizer.size).cpu().numpy()
    return {"mse": float(error), "dead": float(quantizer.size - count_used(counts)), "perplexity": perplexity(counts)}
