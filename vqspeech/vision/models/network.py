"""Convolutional encoder and decoder of the paper's image models (1711.00937, section 4.1)."""

import itertools
import math
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Options, Range, Width

Halvings = Annotated[int, Range(1, 10)]
Blocks = Annotated[int, Range(0, 1000)]


def _initialise(convolution: nn.Module) -> None:
    """Draw weights that keep the scale of rectified features (He et al. 2015)."""
    assert isinstance(convolution, (nn.Conv2d, nn.ConvTranspose2d))
    assert convolution.bias is not None
    taps = convolution.kernel_size[0] * convolution.kernel_size[1]
    if isinstance(convolution, nn.ConvTranspose2d):  # a pixel is reached by some of the taps only
        taps //= convolution.stride[0] * convolution.stride[1]
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / (convolution.in_channels * taps)))
    nn.init.zeros_(convolution.bias)


class ResidualBlock(nn.Module):
    """ReLU, 3×3 convolution, ReLU, 1×1 convolution, added to the input `(batch, channels, height, width)`."""

    def __init__(self, channels: int):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.narrow = nn.Conv2d(channels, channels, 1)
        _initialise(self.wide)
        nn.init.zeros_(self.narrow.weight)  # at first nothing is added

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the block."""
        return x + self.narrow(F.relu(self.wide(F.relu(x))))


class Encoder(nn.Module):
    """Strided convolutions, residual blocks and a projection.

    Maps `(batch, inputs, height, width)` to `(batch, outputs, height / 2^halvings, width / 2^halvings)`.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        channels: Channels of the layers between.
        halvings: Convolutions of kernel size 4 and stride 2, each followed by a ReLU.
        blocks: Residual blocks.
    """

    def __init__(self, inputs: int, outputs: int, channels: Width, halvings: Halvings, blocks: Blocks):
        super().__init__()
        widths = [inputs] + [channels] * halvings
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in itertools.pairwise(widths)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.projection = nn.Conv2d(channels, outputs, 1)
        for convolution in self.convolutions:
            _initialise(convolution)

    def forward(self, x: Tensor) -> Tensor:
        """Return the encoder output."""
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.projection(F.relu(self.blocks(x)))


NETWORK = Options(Encoder, given=("inputs", "outputs"))
"""The group `network` of a configuration: options of encoder and decoder."""


class Decoder(nn.Module):
    """Mirror image of `Encoder`: projection, residual blocks, transposed convolutions, 1×1 convolution.

    Maps `(batch, inputs, height, width)` to `(batch, outputs, height · 2^halvings, width · 2^halvings)`. The last
    transposed convolution gives `channels` features a pixel and a 1×1 convolution the outputs, so that 256 levels of
    three colours (768 outputs) do not take sixteen times the computation.
    """

    def __init__(self, inputs: int, outputs: int, channels: int, halvings: int, blocks: int):
        super().__init__()
        self.projection = nn.Conv2d(inputs, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1) for _ in range(halvings)
        )
        self.outputs = nn.Conv2d(channels, outputs, 1)
        for convolution in (self.projection, *self.convolutions):
            _initialise(convolution)

    def forward(self, z: Tensor) -> Tensor:
        """Return the inputs of the likelihood."""
        x = F.relu(self.blocks(self.projection(z)))
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.outputs(x)
