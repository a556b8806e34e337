"""Transformer over frames.

It attends within each past frame, then over time at each place, and over the current frame in raster order, with cached
keys and values in sampling.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from vqspeech.generate.cached import draw_classes
from vqspeech.models.prior.transformer import Block
from vqspeech.schema import Depth, Dropout, Width, require_multiple
from vqspeech.vision.models.video.network import Past, VideoNetwork


class TransformerVideo(VideoNetwork):
    """Video prior with attention over space and time.

    The distance in time is encoded by slopes (Press, Smith, Lewis, 2108.12409), so that videos can have any length.

    Args:
        size: Number of codes.
        shape: (height, width) of a frame.
        actions: Number of actions.
        layers: Pairs of blocks over the past: one within frames, one over the last `window` frames.
        frame_layers: Blocks over the current frame.
        width: Channels.
        heads: Heads of attention.
        window: Frames that attention over time sees.
        dropout: Dropout.
    """

    slopes: Tensor

    def __init__(
        self,
        size: int,
        shape: Sequence[int],
        actions: int,
        layers: Depth = 4,
        frame_layers: Depth = 6,
        width: Width = 256,
        heads: Width = 4,
        window: Width = 16,
        dropout: Dropout = 0.1,
    ):
        super().__init__()
        self.size, self.grid, self.window = size, (shape[0], shape[1]), window
        self.embedding = nn.Embedding(size + 1, width)
        self.before = nn.Embedding(size + 1, width)
        self.told = nn.Embedding(actions + 1, width)
        self.places = nn.Parameter(torch.zeros(2, shape[0] * shape[1], width))
        stacks = [nn.ModuleList(Block(width, heads, dropout) for _ in range(n)) for n in (layers, layers, frame_layers)]
        self.space, self.time, self.frame = (cast(Sequence[Block], stack) for stack in stacks)
        self.norms = cast(Sequence[nn.LayerNorm], nn.ModuleList(nn.LayerNorm(width) for _ in range(2)))
        self.output = nn.Linear(width, size)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("slopes", 2.0 ** (-8 * torch.arange(1, heads + 1) / heads), persistent=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.normal_(self.places, std=0.02)

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` if `width` is not a multiple of `heads`."""
        require_multiple(where, options, "width", "heads")

    @property
    def reach(self) -> int:
        """Receptive field in frames."""
        return 1 + len(self.time) * (self.window - 1)

    def embed(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Embed frames `(batch, height, width)` and actions `(batch,)`: `(batch, places, width)`."""
        return self.dropout(self.embedding(codes.flatten(1)) + self.places[0] + self.told(actions)[:, None])

    def compute_conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Return the condition of the frame after each, see `VideoNetwork.compute_conditions`."""
        batch, time = actions.shape
        x = self.embed(codes.flatten(0, 1), actions.flatten())
        now = torch.arange(time, device=x.device)
        bias, open_ = self.time_bias(now[:, None] - now).to(x.dtype), x.new_zeros(1, 1, 1)
        for space, over in zip(self.space, self.time, strict=True):
            x = space.attend(x, *space.project(x), open_)
            x = x.unflatten(0, (batch, time)).transpose(1, 2).flatten(0, 1)  # (batch * places, time, width)
            x = over.attend(x, *over.project(x), bias)
            x = x.unflatten(0, (batch, -1)).transpose(1, 2).flatten(0, 1)
        return self.to_condition(x).unflatten(0, (batch, time))

    def start_past(self, batch: int) -> Past:
        """Return an empty state."""
        return _Keys(self, batch)

    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Return the logits of frames given their conditions."""
        flat = codes.flatten(1)
        before = torch.cat([flat.new_full((len(flat), 1), self.size), flat[:, :-1]], 1)
        x = self.dropout(self.before(before) + self.places[1]) + condition.flatten(2).transpose(1, 2)
        places = torch.arange(x.shape[1], device=x.device)
        bias = x.new_zeros(1, len(places), len(places)).masked_fill(places > places[:, None], float("-inf"))
        for block in self.frame:
            x = block.attend(x, *block.project(x), bias)
        return self.output(self.norms[1](x)).transpose(1, 2).unflatten(2, self.grid)

    @torch.inference_mode()
    def draw(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        """Draw frames given their conditions."""
        flat, conditions = uniforms.flatten(1), condition.flatten(2).permute(2, 0, 1)
        batch, places = flat.shape
        heads = len(self.slopes)
        kept = [conditions.new_empty(2, batch, heads, places, conditions.shape[2] // heads) for _ in self.frame]
        codes = torch.empty(batch, places, dtype=torch.long, device=flat.device)
        found, open_ = codes.new_full((batch,), self.size), conditions.new_zeros(1, 1, 1)
        for i in range(places):
            x = (self.before(found) + self.places[1, i] + conditions[i])[:, None]
            for block, one in zip(self.frame, kept, strict=True):
                query, one[0, :, :, i : i + 1], one[1, :, :, i : i + 1] = block.project(x)
                x = block.attend(x, query, one[0, :, :, : i + 1], one[1, :, :, : i + 1], open_)
            found = draw_classes(self.output(self.norms[1](x))[:, 0], flat[:, i], temperature, top_p)
            codes[:, i] = found
        return codes.unflatten(1, self.grid)

    def output_bias(self) -> nn.Parameter:
        """Return the bias of the logits."""
        return self.output.get_parameter("bias")

    def to_condition(self, x: Tensor) -> Tensor:
        """Return the normalised features as a condition `(batch, width, height, width)`."""
        return self.norms[0](x).transpose(1, 2).unflatten(2, self.grid)

    def time_bias(self, back: Tensor) -> Tensor:
        """Return the attention bias `(heads, …)` of frames that lie `back` int `(queries, keys)` frames behind."""
        bias = -self.slopes[:, None, None] * back
        return bias.masked_fill((back < 0) | (back >= self.window), float("-inf"))


class _Keys:
    """A `Past`: ring buffers of keys and values of the last `window` frames at every place, one a layer."""

    def __init__(self, network: TransformerVideo, batch: int):
        self.network, self.calls = network, 0
        places, width = network.places.shape[1:]
        heads = len(network.slopes)
        shape = (2, batch * places, heads, network.window, width // heads)
        self.rings = [network.places.new_zeros(shape) for _ in network.time]

    def __call__(self, codes: Tensor, actions: Tensor) -> Tensor:
        network = self.network
        x = network.embed(codes, actions)
        slot, filled = self.calls % network.window, min(self.calls + 1, network.window)
        # What lies in slot j was put there (now - j) mod window calls ago.
        back = (self.calls - torch.arange(filled, device=x.device)) % network.window
        bias, open_ = network.time_bias(back[None]).to(x.dtype), x.new_zeros(1, 1, 1)
        for space, over, ring in zip(network.space, network.time, self.rings, strict=True):
            x = space.attend(x, *space.project(x), open_)
            lanes, x = x.shape, x.flatten(0, 1)[:, None]  # (batch * places, 1, width)
            query, ring[0, :, :, slot : slot + 1], ring[1, :, :, slot : slot + 1] = over.project(x)
            x = over.attend(x, query, ring[0, :, :, :filled], ring[1, :, :, :filled], bias).view(lanes)
        self.calls += 1
        return network.to_condition(x)
