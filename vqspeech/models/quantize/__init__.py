"""Codebooks: vectors in; quantised vectors, codes, losses and usage out."""

from vqspeech.errors import ConfigError
from vqspeech.models.quantize.codebook import Codebook, Quantised
from vqspeech.models.quantize.ema import EmaCodebook
from vqspeech.models.quantize.gradient import GradientCodebook
from vqspeech.models.quantize.kmeans import KmeansCodebook
from vqspeech.models.quantize.nsvq import NsvqCodebook
from vqspeech.models.quantize.soft_em import SoftEmCodebook

QUANTIZERS = {
    "gradient": GradientCodebook,
    "ema": EmaCodebook,
    "nsvq": NsvqCodebook,
    "soft_em": SoftEmCodebook,
    "kmeans": KmeansCodebook,
}
"""Quantisers by name: the VQ-VAE's eq. 3 and its appendix, noise substitution, Monte-Carlo EM, k-means afterwards."""

__all__ = [
    "QUANTIZERS",
    "Codebook",
    "EmaCodebook",
    "GradientCodebook",
    "KmeansCodebook",
    "NsvqCodebook",
    "Quantised",
    "SoftEmCodebook",
    "quantizer",
]


def quantizer(name: str, codes: int, dimension: int, **options: float | str) -> Codebook:
    """The quantiser of that name with `codes` vectors of `dimension` numbers.

    Raises `ConfigError` for an unknown name or option, or a size below one.
    """
    if name not in QUANTIZERS:
        raise ConfigError(f"no quantizer '{name}'; there are {', '.join(QUANTIZERS)}")
    if codes < 1 or dimension < 1:
        raise ConfigError(f"a codebook of {codes} codes of {dimension} dimensions; both must be at least 1")
    try:
        return QUANTIZERS[name](codes, dimension, **options)
    except TypeError as error:
        raise ConfigError(f"quantizer '{name}': {error}") from None
