"""The convolutions of the paper's image models (1711.00937, section 4.1): an encoder and its mirror."""

import math
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Options, Range, Width

Halvings = Annotated[int, Range(1, 10)]
Blocks = Annotated[int, Range(0, 1000)]


def _initialise(convolution: nn.Module) -> None:
    """Weights that keep the size of rectified features (He et al. 2015), so that what goes in is seen at the end."""
    assert isinstance(convolution, (nn.Conv2d, nn.ConvTranspose2d)) and convolution.bias is not None
    taps = convolution.kernel_size[0] * convolution.kernel_size[1]
    if isinstance(convolution, nn.ConvTranspose2d):  # a pixel is reached by some of the taps only
        taps //= convolution.stride[0] * convolution.stride[1]
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / (convolution.in_channels * taps)))
    nn.init.zeros_(convolution.bias)


class ResidualBlock(nn.Module):
    """ReLU, 3×3 convolution, ReLU, 1×1 convolution, added to what came in: `(batch, channels, height, width)`."""

    def __init__(self, channels: int):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.narrow = nn.Conv2d(channels, channels, 1)
        _initialise(self.wide)
        nn.init.zeros_(self.narrow.weight)  # at first nothing is added

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.wide(F.relu(x))))


class Encoder(nn.Module):
    """`halvings` convolutions of window 4 and stride 2, each rectified, `blocks` residual blocks, and a projection:
    `(batch, inputs, height, width)` → `(batch, outputs, height / 2^halvings, width / 2^halvings)`."""

    def __init__(self, inputs: int, outputs: int, channels: Width, halvings: Halvings, blocks: Blocks):
        super().__init__()
        widths = [inputs] + [channels] * halvings
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.projection = nn.Conv2d(channels, outputs, 1)
        for convolution in self.convolutions:
            _initialise(convolution)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.projection(F.relu(self.blocks(x)))


NETWORK = Options(Encoder, given=("inputs", "outputs"))
"""The group `network` of a configuration, of the encoder and of its mirror."""


class Decoder(nn.Module):
    """The mirror of `Encoder`: a projection, residual blocks, transposed convolutions, and of the pixels' features what
    a likelihood needs: `(batch, inputs, height, width)` → `(batch, outputs, height · 2^halvings, width · 2^halvings)`.

    The last transposed convolution gives `channels` features a pixel, rectified, and a 1×1 convolution the outputs; so
    that 256 levels of three colours (768 outputs) do not take sixteen times as much work.
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
        x = F.relu(self.blocks(self.projection(z)))
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.outputs(x)
