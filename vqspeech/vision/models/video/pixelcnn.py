"""WaveNet over frames with a PixelCNN for each frame.

Dilated causal convolutions see the earlier frames, masked ones the current frame (WaveNet: 1609.03499; PixelCNN
decoders: 1606.05328; for video: Kalchbrenner et al. 1610.00527).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Dropout, Length, Options, Range, Width, require_multiple
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.pixelcnn import PixelCNN, apply_gate
from vqspeech.vision.models.pixelcnn_cache import sample_codes
from vqspeech.vision.models.video.motion import Motion, fit_shifts
from vqspeech.vision.models.video.network import Past, VideoNetwork


class TimeLayer(nn.Module):
    """Gated layer over the current frame and the one `dilation` frames ago.

    The spatial dilation is the same: the longer ago, the farther an object may have moved.
    """

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.dilation = dilation
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.residual = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, ago: Tensor) -> tuple[Tensor, Tensor]:
        """Return x of the next layer and the activations.

        Args:
            x: `(batch, channels, height, width)`.
            ago: x of `dilation` frames ago.
        """
        found = self.dropout(apply_gate(self.gates(torch.cat([ago, x], 1)), 1))
        return x + self.residual(found), found


class PixelCNNVideo(VideoNetwork):
    """Video prior with dilated convolutions over time.

    Args:
        size: Number of codes.
        shape: (height, width) of a frame.
        actions: Number of actions.
        dilations: Dilation in frames of each layer over time.
        past: Channels of these layers.
        heads: Heads of `Motion`.
        dropout: Dropout of the activations.
        **options: Options of the PixelCNN.
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
        """Raise `ConfigError` if `past` is not a multiple of `heads`."""
        require_multiple(where, options, "past", "heads")

    def initialise(self, codes: ImageCodes, actions: Sequence[str]) -> None:
        """Initialise the output bias and the shifts of `Motion` from the codes."""
        super().initialise(codes, actions)
        self.motion.initialise(fit_shifts(codes, actions))

    @property
    def reach(self) -> int:
        """Receptive field in frames."""
        return 1 + sum(layer.dilation for layer in self.layers)

    def embed(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Embed frames `(batch, height, width)` and actions `(batch,)`: `(batch, past, height, width)`."""
        return self.embedding(codes).permute(0, 3, 1, 2) + self.places + self.told(actions)[:, :, None, None]

    def compute_conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Return the condition of the frame after each, see `VideoNetwork.compute_conditions`."""
        batch, time = actions.shape
        x = self.embed(codes.flatten(0, 1), actions.flatten())
        activations = [x, self.motion(x, actions.flatten())]
        for layer in self.layers:
            frames = x.unflatten(0, (batch, time))
            ago = F.pad(frames, (0, 0, 0, 0, 0, 0, layer.dilation, 0))[:, :time]
            x, found = layer(x, ago.flatten(0, 1))
            activations.append(found)
        return self.skip(torch.cat(activations, 1)).relu().unflatten(0, (batch, time))

    def start_past(self, batch: int) -> Past:
        """Return an empty state."""
        return _Rings(self, batch)

    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Return the logits of frames given their conditions."""
        return self.frame(codes[:, None], codes.new_zeros(len(codes)), condition)[:, :, 0]

    def draw(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        """Draw frames given their conditions."""
        classes = torch.zeros(len(uniforms), dtype=torch.long, device=uniforms.device)
        codes = sample_codes(self.frame, uniforms[:, None], classes, condition, temperature=temperature, top_p=top_p)
        return codes[:, 0]

    def output_bias(self) -> nn.Parameter:
        """Return the bias of the logits."""
        return self.frame.logits.get_parameter("bias")


class _Rings:
    """A `Past`: ring buffers of each layer's input at the last `dilation` frames."""

    def __init__(self, network: PixelCNNVideo, batch: int):
        self.network, self.calls = network, 0
        places = network.places
        self.rings = [places.new_zeros(layer.dilation, batch, *places.shape) for layer in network.layers]

    def __call__(self, codes: Tensor, actions: Tensor) -> Tensor:
        x = self.network.embed(codes, actions)
        activations = [x, self.network.motion(x, actions)]
        for layer, ring in zip(self.network.layers, self.rings, strict=True):
            slot = self.calls % layer.dilation
            ago = ring[slot].clone()
            ring[slot] = x
            x, found = layer(x, ago)
            activations.append(found)
        self.calls += 1
        return self.network.skip(torch.cat(activations, 1)).relu()
