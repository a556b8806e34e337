"""The live encoder: causal convolutions over log-mels that predict the content encoder's output with a delay."""

from collections.abc import Sequence
from typing import Annotated, cast

import torch
from torch import Tensor, nn

from vqspeech.models.convnext import ConvNeXt, Dilations, run_blocks, state_size
from vqspeech.models.live.frontend import FRAMES, MELS
from vqspeech.schema import Range, Width


class LiveEncoder(nn.Module):
    """Latents at 50 Hz. Blocks see the past alone; the latent of a block comes `delay` blocks after it."""

    def __init__(
        self,
        latents: Width = 384,
        channels: Width = 224,
        window: Annotated[int, Range(1, 999, odd=True)] = 7,
        dilations: Dilations = (1, 2, 4, 8, 1, 2),
        expansion: Annotated[int, Range(1, 64)] = 3,
        delay: Annotated[int, Range(0, 1000)] = 2,
    ):
        super().__init__()
        self.latents, self.delay = latents, delay
        self.input = nn.Conv1d(FRAMES * MELS, channels, 1)
        blocks = [ConvNeXt(channels, window, dilation, expansion=expansion, causal=True) for dilation in dilations]
        self.blocks = cast(Sequence[ConvNeXt], nn.ModuleList(blocks))
        self.norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, latents)

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the state of a stream."""
        return self.input.out_channels, state_size(self.blocks)

    def forward(self, features: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return latents, those of the block `delay` before each, and the next state.

        Args:
            features: `(batch, FRAMES * MELS, blocks)`.
            state: `(batch, *state_shape)`; None is the beginning.

        Returns:
            `(batch, latents, blocks)`, and the state.
        """
        x = self.input(features)
        if state is None:
            state = torch.zeros(len(x), *self.state_shape, dtype=x.dtype, device=x.device)
        x, state = run_blocks(self.blocks, x, state)
        return self.output(self.norm(x.transpose(1, 2))).transpose(1, 2), state
