"""What a decoder is conditioned on: code vectors, sums of them, their expectation, or the encoder's output.

Codes keep least of the source's voice, the encoder's output most of its words. Between the two are a second stage of
codes, and the mean of the code vectors weighted by how near they are (van Niekerk et al., "A comparison of discrete
and soft speech units for improved voice conversion", 2022).
"""

import torch
from torch import Tensor

from vqspeech.errors import ConfigError
from vqspeech.models.quantize import Codebook
from vqspeech.models.quantize.residual import ResidualCodebook

KINDS = ("codes", "residual", "soft", "continuous")
"""The kinds of conditioning: the nearest code of the (first) stage, of all stages, the expected one, no code."""
TEMPERATURE = 0.07
"""Of soft codes: what the softmax divides squared distances by, in mean squared distances to the nearest code."""


def condition(quantizer: Codebook | ResidualCodebook, latents: Tensor, kind: str, temperature: float = 0.0) -> Tensor:
    """Return the vectors that a decoder gets of an encoder's output.

    Args:
        quantizer: The codebook.
        latents: The encoder's output, `(vectors, dimension)`.
        kind: One of `KINDS`.
        temperature: For "soft": the squared distance by which a code's weight falls to 1/e.

    Returns:
        float32 `(vectors, dimension)`.

    Raises:
        ConfigError: No such kind, or "residual" of a codebook that has one stage.
    """
    if kind == "continuous":
        return latents.float()
    stage = first_stage(quantizer)
    if kind == "codes":
        return stage.weight[stage.nearest(latents)].float()
    if kind == "residual":
        if not isinstance(quantizer, ResidualCodebook):
            raise ConfigError("the codebook has one stage; condition on codes, soft or continuous latents")
        return quantizer.sum_codes(quantizer.nearest(latents))
    if kind == "soft":
        vectors = stage.weight.float()
        return torch.cat(
            [(-squared_distances(part, vectors) / temperature).softmax(1) @ vectors for part in latents.split(4096)]
        )
    raise ConfigError(f"no conditioning '{kind}'; there are {', '.join(KINDS)}")


def first_stage(quantizer: Codebook | ResidualCodebook) -> Codebook:
    """Return a codebook, or the first stage of one that has several."""
    return quantizer.stages[0] if isinstance(quantizer, ResidualCodebook) else quantizer


def fit_soft_temperature(quantizer: Codebook | ResidualCodebook, latents: Tensor) -> float:
    """Return the temperature for soft codes of latents `(vectors, dimension)`: `TEMPERATURE` mean squared distances."""
    stage = first_stage(quantizer)
    nearest = stage.weight[stage.nearest(latents)]
    return TEMPERATURE * float((latents.float() - nearest).square().sum(1).mean())


def squared_distances(vectors: Tensor, codes: Tensor) -> Tensor:
    """Return squared distances `(vectors, codes)` of vectors `(vectors, dimension)` and `(codes, dimension)`."""
    vectors = vectors.float()
    distances = vectors.square().sum(1, keepdim=True) - 2 * vectors @ codes.T + codes.square().sum(1)
    return distances.clamp(min=0)
