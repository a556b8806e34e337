"""Codebooks: vectors in; quantised vectors, codes and losses out."""

from vqspeech.errors import ConfigError
from vqspeech.models.quantize.codebook import Codebook, Quantised
from vqspeech.models.quantize.ema import EmaCodebook
from vqspeech.models.quantize.gradient import GradientCodebook

QUANTIZERS = {"gradient": GradientCodebook, "ema": EmaCodebook}
"""Quantisers by name: the paper's eq. 3, and its appendix."""

__all__ = ["QUANTIZERS", "Codebook", "EmaCodebook", "GradientCodebook", "Quantised", "quantizer"]


def quantizer(name: str, codes: int, dimension: int, **options: float) -> Codebook:
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
