"""ConvNeXt blocks over frames (Liu et al., 2022), without normalisation over time."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Length, Range

Dilations = Annotated[Sequence[Annotated[int, Range(1, 64)]], Length(0, 64)]
_SCALE = 0.1  # of a block's output as it is made
_FEW = 4  # frames


class ConvNeXt(nn.Module):
    """A depthwise convolution over frames, then two layers over channels, added to the input.

    A condition, such as a speaker vector, shifts and scales the normalised channels (Perez et al., 2018). Each frame is
    normalised by itself, so a frame depends on `receptive_field` frames: those on either side of it or, where the block
    is `causal`, those before it.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        dilation: int = 1,
        condition: int = 0,
        expansion: int = 3,
        causal: bool = False,
    ):
        super().__init__()
        self.pad = dilation * (window // 2)
        self.past, self.future = (2 * self.pad, 0) if causal else (self.pad, self.pad)
        self.depthwise = nn.Conv1d(channels, channels, window, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.condition = nn.Linear(condition, 2 * channels) if condition else None
        self.expand = nn.Linear(channels, expansion * channels)
        self.project = nn.Linear(expansion * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), _SCALE))

    @property
    def receptive_field(self) -> int:
        """Frames that one output frame depends on."""
        return 2 * self.pad + 1

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the output `(batch, channels, frames)` of x of that shape and a condition `(batch, condition)`."""
        return self.inner(F.pad(x, (self.past, self.future)), condition)

    def inner(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the output of frames that have their context.

        Args:
            x: `(batch, channels, past + frames + future)`.
            condition: `(batch, condition)`.

        Returns:
            `(batch, channels, frames)`.
        """
        y = self.norm(self._along(x).transpose(1, 2))  # (batch, frames, channels)
        x = x[:, :, self.past : self.past + y.shape[1]]
        if self.condition is not None and condition is not None:
            gains, shifts = self.condition(condition)[:, None].chunk(2, -1)
            y = y * (1 + gains) + shifts
        return x + (self.scale * self.project(F.gelu(self.expand(y)))).transpose(1, 2)

    def _along(self, x: Tensor) -> Tensor:
        """Return the depthwise convolution; for the few frames of a stream as products, in an eighth of the time."""
        if self.training or x.shape[2] > 2 * self.pad + _FEW or torch.onnx.is_in_onnx_export():
            return self.depthwise(x)
        windows = x.unfold(2, 2 * self.pad + 1, 1)[..., :: self.depthwise.dilation[0]]
        return (windows * self.depthwise.weight).sum(3) + self.depthwise.get_parameter("bias")[:, None]


def state_size(blocks: Sequence[ConvNeXt]) -> int:
    """Return the number of frames that the state of causal blocks holds."""
    return sum(block.past for block in blocks)


def run_blocks(
    blocks: Sequence[ConvNeXt], x: Tensor, state: Tensor, condition: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the output of causal blocks for the next frames of a stream, and the next state.

    Args:
        blocks: The blocks.
        x: `(batch, channels, frames)`.
        state: `(batch, channels, state_size(blocks))`, the frames that each block still sees; zero at the beginning.
        condition: `(batch, condition)`.
    """
    after = []
    for block, before in zip(blocks, state.split([block.past for block in blocks], 2), strict=True):
        seen = torch.cat([before, x], 2)
        after.append(seen[:, :, seen.shape[2] - block.past :])
        x = block.inner(seen, condition)
    return x, torch.cat(after, 2)
