"""A WaveNet over frames with a PixelCNN above: the frames before by dilated causal convolutions, the present one by
masked ones (WaveNet: 1609.03499; PixelCNN decoders: 1606.05328; the latter for video: Kalchbrenner et al. 1610.00527).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Dropout, Length, Options, Range, Width, require_multiple
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.pixelcnn import PixelCNN, gated
from vqspeech.vision.models.pixelcnn_cache import sampled
from vqspeech.vision.models.video.motion import Motion, shifts
from vqspeech.vision.models.video.network import Past, VideoNetwork


class TimeLayer(nn.Module):
    """A gated layer that sees the frame at hand and the one `dilation` frames ago, at places that lie as many apart:
    the longer ago, the farther a thing may have come."""

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.dilation = dilation
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.residual = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, ago: Tensor) -> tuple[Tensor, Tensor]:
        """x and what it was `dilation` frames ago `(batch, channels, height, width)` → x of the next layer, and the
        activations."""
        found = self.dropout(gated(self.gates(torch.cat([ago, x], 1)), 1))
        return x + self.residual(found), found


class PixelCNNVideo(VideoNetwork):
    """Grids of `shape` (height, width) of `size` codes; `dilations` are those of the layers in time, of `past`
    channels; `options` are those of the PixelCNN.
    """

    def __init__(
        self,
        size: int,
        shape: Sequence[int],
        actions: int,
        dilations: Annotated[Sequence[Annotated[int, Range(1, 1000)]], Length(1, 100)] = (1, 2, 4, 8),
        past: Width = 128,
        heads: Width = 2,
        dropout: Dropout = 0.1,
        **options: Annotated[Any, Options(PixelCNN, given=("size", "shape", "classes", "condition"))],
    ):
        super().__init__()
        self.size, self.grid = size, (shape[0], shape[1])
        self.embedding, self.told = nn.Embedding(size + 1, past), nn.Embedding(actions + 1, past)
        self.places = nn.Parameter(torch.zeros(past, *self.grid))
        layers = nn.ModuleList(TimeLayer(past, dilation, dropout) for dilation in dilations)
        self.layers = cast(Sequence[TimeLayer], layers)
        self.motion = Motion(past, self.grid, actions, heads)
        self.skip = nn.Conv2d((2 + len(dilations)) * past, past, 3, padding=1)
        self.frame = PixelCNN(size, (1, *self.grid), 0, past, dropout=dropout, **options)
        # The usual start lets so little of the past through that it takes hundreds of steps until it is heard.
        nn.init.kaiming_normal_(self.skip.weight, nonlinearity="relu")
        for layer in self.frame.layers:
            assert layer.condition is not None
            nn.init.kaiming_normal_(layer.condition.weight, nonlinearity="linear")

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the heads of motion cannot share the channels."""
        require_multiple(where, options, "past", "heads")

    def start(self, codes: ImageCodes, actions: Sequence[str]) -> None:
        super().start(codes, actions)
        self.motion.start(shifts(codes, actions))

    @property
    def reach(self) -> int:
        return 1 + sum(layer.dilation for layer in self.layers)

    def embedded(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Vectors `(batch, past, height, width)` of frames `(batch, height, width)` and actions `(batch,)`."""
        return self.embedding(codes).permute(0, 3, 1, 2) + self.places + self.told(actions)[:, :, None, None]

    def conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        batch, time = actions.shape
        x = self.embedded(codes.flatten(0, 1), actions.flatten())
        activations = [x, self.motion(x, actions.flatten())]
        for layer in self.layers:
            frames = x.unflatten(0, (batch, time))
            ago = F.pad(frames, (0, 0, 0, 0, 0, 0, layer.dilation, 0))[:, :time]
            x, found = layer(x, ago.flatten(0, 1))
            activations.append(found)
        return self.skip(torch.cat(activations, 1)).relu().unflatten(0, (batch, time))

    def past(self, batch: int) -> Past:
        return _Rings(self, batch)

    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        return self.frame(codes[:, None], codes.new_zeros(len(codes)), condition)[:, :, 0]

    def drawn(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        classes = torch.zeros(len(uniforms), dtype=torch.long, device=uniforms.device)
        codes = sampled(self.frame, uniforms[:, None], classes, condition, temperature=temperature, top_p=top_p)
        return codes[:, 0]

    def bias(self) -> nn.Parameter:
        return self.frame.logits.get_parameter("bias")


class _Rings:
    """A `Past`: of each layer, what came into it at the last `dilation` frames."""

    def __init__(self, network: PixelCNNVideo, batch: int):
        self.network, self.calls = network, 0
        places = network.places
        self.rings = [places.new_zeros(layer.dilation, batch, *places.shape) for layer in network.layers]

    def __call__(self, codes: Tensor, actions: Tensor) -> Tensor:
        x = self.network.embedded(codes, actions)
        activations = [x, self.network.motion(x, actions)]
        for layer, ring in zip(self.network.layers, self.rings, strict=True):
            slot = self.calls % layer.dilation
            ago = ring[slot].clone()
            ring[slot] = x
            x, found = layer(x, ago)
            activations.append(found)
        self.calls += 1
        return self.network.skip(torch.cat(activations, 1)).relu()
