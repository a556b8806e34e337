"""The paper's prior: the decoder's WaveNet over codes instead of samples (1711.00937, section 4.3)."""

import torch
from torch import Tensor, nn

from vqspeech.generate import generate
from vqspeech.models.wavenet import CausalStack, Cycle
from vqspeech.schema import Depth, Dropout, Width


class WaveNetPrior(CausalStack):
    """p(code | codes before it, speaker) over `size` codes, `rate` per second.

    The speaker is added to every filter and gate; index 0 is an unknown speaker.
    """

    def __init__(
        self,
        size: int,
        speakers: int,
        rate: float,
        layers: Depth = 16,
        cycle: Cycle = 8,
        residual: Width = 128,
        skip: Width = 256,
        dropout: Dropout = 0.1,
    ):
        super().__init__(size + 1, size, size, rate, layers, cycle, residual, skip, dropout)
        self.speaker = nn.Embedding(speakers + 1, layers * 2 * residual)
        nn.init.zeros_(self.speaker.weight)

    def forward(self, before: Tensor, speakers: Tensor) -> Tensor:
        """Return logits `(batch, time, size)`.

        Args:
            before: The code before each, int `(batch, time)`; `size` at the beginning.
            speakers: int `(batch,)`.
        """
        return self.predict(before, self.speaker(speakers)[:, :, None])

    @torch.inference_mode()
    def sample(
        self, speakers: Tensor, uniforms: Tensor, temperature: float, top_p: float, given: Tensor, progress: bool
    ) -> Tensor:
        """Return codes int64 `(batch, time)` drawn by uniforms `(batch, time)`, the first ones `given`."""
        conditioning = self.speaker(speakers)[:, :, None]
        return generate(
            self.cell(), conditioning, uniforms, temperature=temperature, top_p=top_p, given=given, progress=progress
        )
