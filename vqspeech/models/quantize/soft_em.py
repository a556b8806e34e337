"""The codebook learned by soft EM with Monte-Carlo samples."""

import torch
from torch import Tensor

from vqspeech.errors import ConfigError
from vqspeech.models.quantize import search
from vqspeech.models.quantize.ema import EmaCodebook


class SoftEmCodebook(EmaCodebook):
    """Each vector chooses `samples` codes at random, near ones more often (Roy, Vaswani, Neelakantan and Parmar 2018,
    arXiv 1805.11063; section 3.2 of the version submitted to ICLR 2019, "Towards a better understanding of vector
    quantized autoencoders", whose equations are counted here):

        E step: k₁ … k_m ~ softmax(−‖z − e‖² / τ), m samples
        decoder: (e_{k₁} + … + e_{k_m}) / m, straight through (eq. 12)
        M step: as EMA, each sample counting 1/m

    The paper's temperature τ is 1, so the scale of the vectors says how soft a choice is. In evaluation the choice is
    the nearest code.
    """

    def __init__(
        self,
        codes: int,
        dimension: int,
        beta: float = 0.25,
        decay: float = 0.99,
        samples: int = 10,
        temperature: float = 1.0,
        revive_below: float = 0.02,
        revive_by: str = "vectors",
    ):
        if samples < 1 or temperature <= 0:
            raise ConfigError(f"soft EM with {samples} samples at temperature {temperature}; both must be above 0")
        super().__init__(codes, dimension, beta, decay, revive_below, revive_by)
        self.samples, self.temperature = samples, temperature

    def assigned(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        codes = torch.empty(len(flat), dtype=torch.long, device=flat.device)
        choices = codes.new_empty(len(flat), self.samples)

        def keep(part: slice, distances: Tensor) -> None:
            codes[part] = search.least(distances)
            shares = (distances / -self.temperature).softmax(1)
            choices[part] = shares.multinomial(self.samples, replacement=True)

        search.each_block(flat, self.weight, keep)
        return codes, choices
