"""The codebook learned by soft EM with Monte-Carlo samples."""

from typing import Annotated, Any

import torch
from torch import Tensor

from vqspeech.models.quantize import search
from vqspeech.models.quantize.codebook import CODEBOOK
from vqspeech.models.quantize.ema import EmaCodebook
from vqspeech.schema import Codes, NonNegative, Positive, Range, Width


class SoftEmCodebook(EmaCodebook):
    """Each vector chooses `samples` codes at random, near ones more often.

    Roy, Vaswani, Neelakantan and Parmar 2018, arXiv 1805.11063; section 3.2 of the version submitted to ICLR 2019,
    "Towards a better understanding of vector quantized autoencoders", has the equations:

        E step: k₁ … k_m ~ softmax(−‖z − e‖² / τ), m samples
        decoder: (e_{k₁} + … + e_{k_m}) / m, straight through (eq. 12)
        M step: as EMA, each sample counting 1/m

    The paper's temperature τ is 1, so the scale of the vectors determines how soft a choice is. Evaluation uses the
    nearest code.
    """

    def __init__(
        self,
        codes: Codes,
        dimension: Width,
        beta: NonNegative = 0.25,
        samples: Annotated[int, Range(1, 1000)] = 10,
        temperature: Positive = 1.0,
        **options: Annotated[Any, CODEBOOK],
    ):
        super().__init__(codes, dimension, beta, **options)
        self.samples, self.temperature = samples, temperature

    def assign(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest code of each vector, and those it chooses at random."""
        codes = torch.empty(len(flat), dtype=torch.long, device=flat.device)
        choices = codes.new_empty(len(flat), self.samples)

        def keep(part: slice, distances: Tensor) -> None:
            codes[part] = search.argmin_rows(distances)
            shares = (distances / -self.temperature).softmax(1)
            choices[part] = shares.multinomial(self.samples, replacement=True)

        search.for_each_block(flat, self.weight, keep)
        return codes, choices
