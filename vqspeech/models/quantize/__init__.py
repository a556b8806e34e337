"""Codebooks: vectors in; quantised vectors, codes, losses and usage out."""

from vqspeech.models.quantize.codebook import Codebook, Quantised
from vqspeech.models.quantize.ema import EmaCodebook
from vqspeech.models.quantize.gradient import GradientCodebook
from vqspeech.models.quantize.kmeans import KmeansCodebook
from vqspeech.models.quantize.nsvq import NsvqCodebook
from vqspeech.models.quantize.residual import ResidualKmeans
from vqspeech.models.quantize.separate import SeparateCodebooks
from vqspeech.models.quantize.soft_em import SoftEmCodebook
from vqspeech.schema import Kinds

QUANTIZERS = {
    "gradient": GradientCodebook,
    "ema": EmaCodebook,
    "nsvq": NsvqCodebook,
    "soft_em": SoftEmCodebook,
    "kmeans": KmeansCodebook,
}
"""Quantisers by name: the VQ-VAE's eq. 3 and its appendix, noise substitution, Monte-Carlo EM, k-means afterwards."""
STAGED = {"residual": ResidualKmeans}
"""Quantisers of several stages."""
QUANTIZER = Kinds("quantizer", {**QUANTIZERS, **STAGED}, given=("dimension",))
"""The group of a configuration; quantisers are made for vectors of `dimension` numbers."""

__all__ = [
    "QUANTIZER",
    "QUANTIZERS",
    "STAGED",
    "Codebook",
    "EmaCodebook",
    "GradientCodebook",
    "KmeansCodebook",
    "NsvqCodebook",
    "Quantised",
    "ResidualKmeans",
    "SeparateCodebooks",
    "SoftEmCodebook",
    "make_quantizer",
]


def make_quantizer(name: str, codes: int, dimension: int, **options: float | str) -> Codebook:
    """Return the quantiser of that name with `codes` vectors of `dimension` numbers.

    Raises:
        ConfigError: The name or an option is unknown, or a value out of range.
    """
    return QUANTIZER.make({"name": name, "codes": codes, **options}, dimension=dimension)
