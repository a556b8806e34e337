"""ConvNeXt blocks over frames (Liu et al., 2022), without any normalisation over time."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SCALE = 0.1  # of a block's output as it is made


class ConvNeXt(nn.Module):
    """A depthwise convolution over frames, then two layers over channels, added to the input.

    Where there is a condition, such as a speaker vector, it shifts and scales the normalised channels (Perez et al.,
    2018). Each frame is normalised by itself, so a frame depends on `receptive_field` frames and on nothing else.
    """

    def __init__(self, channels: int, window: int, dilation: int = 1, condition: int = 0, expansion: int = 3):
        super().__init__()
        self.pad = dilation * (window // 2)
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
        """x `(batch, channels, frames)`, condition `(batch, condition)` → the shape of x."""
        y = self.norm(self.depthwise(F.pad(x, (self.pad, self.pad))).transpose(1, 2))  # (batch, frames, channels)
        if self.condition is not None and condition is not None:
            gains, shifts = self.condition(condition)[:, None].chunk(2, -1)
            y = y * (1 + gains) + shifts
        return x + (self.scale * self.project(F.gelu(self.expand(y)))).transpose(1, 2)
