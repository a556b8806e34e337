"""Encoders: from the front end's channels to one map of latent vectors."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import ConfigError
from vqspeech.models.content import ContentEncoder
from vqspeech.schema import Kinds, Length, Range, Width

Window = Annotated[int, Range(1, 1000)]
"""Frames of a window, or from one window to the next."""


class Encoder(nn.Module):
    """Convolutions with rectifiers, then a projection to the latent dimension.

    `layers` gives (window, stride) of each. A layer of stride s makes exactly time / s frames, so that the paper's six
    of window 4 and stride 2 give time / 64. Layers of stride 1 that keep the width are residual.
    """

    def __init__(
        self,
        inputs: int,
        channels: Width,
        layers: Annotated[Sequence[Annotated[Sequence[Window], Length(2, 2)]], Length(1, 100)],
        latents: Width,
    ):
        super().__init__()
        widths = [inputs] + [channels] * len(layers)
        self.strides = [stride for _, stride in layers]
        convolutions = nn.ModuleList(
            nn.Conv1d(before, after, window, stride)
            for (window, stride), before, after in zip(layers, widths, widths[1:], strict=False)
        )
        self.convolutions = cast(Sequence[nn.Conv1d], convolutions)
        self.projection = nn.Conv1d(channels, latents, 1)
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.get_parameter("bias"))

    @property
    def hop(self) -> int:
        """Input frames per latent."""
        return math.prod(self.strides)

    @property
    def receptive_field(self) -> int:
        """Input frames that one latent depends on."""
        field, jump = 1, 1
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            field, jump = field + (convolution.kernel_size[0] - 1) * jump, jump * stride
        return field

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return latents. Nothing past the mask changes anything before it.

        Args:
            x: `(batch, channels, time)`.
            mask: bool `(batch, time)`, true over a multiple of `hop` frames.

        Returns:
            `(batch, latents, time / hop)`.
        """
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            spare = convolution.kernel_size[0] - stride
            mask = mask[:, ::stride]
            y = F.relu(convolution(F.pad(x, (spare // 2, spare - spare // 2)))) * mask[:, None]
            x = x + y if stride == 1 and x.shape == y.shape else y
        return self.projection(x)


class Projection(nn.Module):
    """One linear map of `window` frames, every `hop` frames: `(window * inputs,)` → `(latents,)`.

    It is initialised to the mean of the frames of each hop, where there are as many latents as inputs.
    """

    def __init__(self, inputs: int, window: Window, hop: Window, latents: Width):
        super().__init__()
        self.check_options("encoder", {"window": window, "hop": hop})
        self.receptive_field, self.hop, self.latents = window, hop, latents
        self.convolution = nn.Conv1d(inputs, latents, window, hop)
        with torch.no_grad():
            self.convolution.get_parameter("bias").zero_()
            first = (window - hop) // 2
            self.convolution.weight.zero_()
            self.convolution.weight[:, :, first : first + hop] = torch.eye(latents, inputs)[:, :, None] / hop

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the window does not lie around its hop."""
        window, hop = options["window"], options["hop"]
        if window < hop or (window - hop) % 2:
            raise ConfigError(f"{where}.window={window}: give {hop}, as {where}.hop, or an even number more")

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """As `Encoder`."""
        return self.convolution(self._padded(x * mask[:, None]))

    def windows(self, x: Tensor) -> Tensor:
        """Return the frames of each latent: `(batch, channels, time)` → `(batch, latents, channels, window)`."""
        return self._padded(x).unfold(2, self.receptive_field, self.hop).transpose(1, 2)

    def _padded(self, x: Tensor) -> Tensor:
        spare = (self.receptive_field - self.hop) // 2
        return F.pad(x, (spare, spare))


ENCODERS = {"convolutions": Encoder, "projection": Projection, "content": ContentEncoder}
"""Encoders by name."""
ENCODER = Kinds("encoder", ENCODERS, given=("inputs",), default="convolutions")
"""The group of a configuration; encoders are made of the number of channels, `inputs`."""
