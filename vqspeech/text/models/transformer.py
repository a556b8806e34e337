"""Layers of a Transformer (Vaswani et al. 2017, 1706.03762), normalised first, with cached keys and values."""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Memory = tuple[Tensor, Tensor]
"""Keys and values, `(batch, heads, time, width / heads)` each."""


class Cache:
    """Keys and values of the steps so far, in tensors with room for `steps`."""

    def __init__(self, shape: Sequence[int], like: Tensor):
        self.keys, self.values = (like.new_empty(shape) for _ in range(2))
        self.filled = 0

    def append(self, keys: Tensor, values: Tensor) -> Memory:
        """Add those of a step `(batch, heads, 1, width / heads)`; return all."""
        place = self.filled
        self.keys[:, :, place : place + 1], self.values[:, :, place : place + 1] = keys, values
        self.filled += 1
        return self.keys[:, :, : self.filled], self.values[:, :, : self.filled]

    def select(self, rows: Tensor) -> None:
        """Keep the items `rows` int64 `(batch,)` of the batch, which may repeat."""
        filled = self.filled
        self.keys[:, :, :filled] = self.keys[rows, :, :filled]
        self.values[:, :, :filled] = self.values[rows, :, :filled]


class Dropout(nn.Module):
    """Dropout by random bytes, eight from each draw: torch draws each number by itself, a third of a step on a CPU.

    The share is rounded to a 256th.
    """

    def __init__(self, share: float):
        super().__init__()
        self.dropped = round(256 * share)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with elements set to 0 and the others scaled up."""
        if not self.training or not self.dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        words.random_(torch.iinfo(torch.int64).min, None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - self.dropped))


class Attention(nn.Module):
    """Attention of several heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def project(self, x: Tensor) -> Memory:
        """Return the keys and values of x `(batch, time, width)`."""
        keys, values = self.memory(x).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return keys, values

    def forward(self, x: Tensor, memory: Memory, mask: Tensor | None, causal: bool = False) -> Tensor:
        """Return what the queries of x `(batch, time, width)` find; mask bool, of keys that may be attended to."""
        queries = self.query(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        found = attend(queries, *memory, mask, causal)
        return self.output(found.transpose(1, 2).flatten(2))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Return what queries `(batch, heads, time, width / heads)` find; mask bool, of keys that may be attended to.

    Numbers in bfloat16 are multiplied in float32 on a CPU, where torch otherwise takes six times as long for the
    gradient of so short sequences.
    """
    if queries.dtype == torch.float32 or queries.device.type != "cpu":
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        return attend(queries.float(), keys.float(), values.float(), mask, causal)


class Layer(nn.Module):
    """Attention to the sequence itself, to another one (`attends`), and a network with one hidden layer."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, attends: bool):
        super().__init__()
        self.before, self.attention = nn.LayerNorm(width), Attention(width, heads)
        if attends:
            self.before_other, self.other = nn.LayerNorm(width), Attention(width, heads)
        self.before_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, width))
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        causal: bool = False,
        other: Memory | None = None,
        other_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Return the output of the layer; with a cache, x `(batch, 1, width)` is the next step."""
        normed = self.before(x)
        memory = self.attention.project(normed)
        if cache is not None:
            memory = cache.append(*memory)
        x = x + self.dropout(self.attention(normed, memory, mask, causal))
        if other is not None:
            x = x + self.dropout(self.other(self.before_other(x), other, other_mask))
        return x + self.dropout(self.network(self.before_network(x)))


class Context(NamedTuple):
    """A sequence that others attend to: `(batch, time, width)`, and bool `(batch, 1, 1, time)` of what counts."""

    encoding: Tensor
    mask: Tensor

    def repeat(self, times: int) -> "Context":
        """Repeat each item of the batch."""
        return Context(*(one.repeat_interleave(times, 0) for one in self)) if times > 1 else self


class State:
    """What a stack remembers of the steps so far: a cache, and keys and values of the context, of each layer."""

    def __init__(self, stack: "Stack", context: Context, steps: int):
        batch, _, width = context.encoding.shape
        heads = stack.layers[0].attention.heads
        self.others = [layer.other.project(context.encoding) for layer in stack.layers]
        self.mask = context.mask
        self.caches = [Cache((batch, heads, steps, width // heads), other[0]) for other in self.others]

    def select(self, rows: Tensor) -> None:
        """Keep the items `rows` of the batch; their contexts must be the same."""
        for cache in self.caches:
            cache.select(rows)


class Stack(nn.Module):
    """Layers with a norm at the end."""

    def __init__(self, layers: int, width: int, heads: int, hidden: int, dropout: float, attends: bool = False):
        super().__init__()
        parts = nn.ModuleList(Layer(width, heads, hidden, dropout, attends) for _ in range(layers))
        self.layers = cast(Sequence[Layer], parts)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, causal: bool = False, context: Context | None = None
    ) -> Tensor:
        """Return the output for x `(batch, time, width)`.

        Args:
            x: The input.
            mask: bool, broadcast to `(batch, heads, queries, keys)`.
            causal: Each step attends to itself and those before it; there is no mask then.
            context: What is attended to beside it.
        """
        for layer in self.layers:
            other = None if context is None else layer.other.project(context.encoding)
            x = layer(x, mask, causal, other, None if context is None else context.mask)
        return self.norm(x)

    def step(self, x: Tensor, state: State) -> Tensor:
        """Return the output `(batch, 1, width)` of the next step, x."""
        for layer, other, cache in zip(self.layers, state.others, state.caches, strict=True):
            x = layer(x, None, other=other, other_mask=state.mask, cache=cache)
        return self.norm(x)


def encode_positions(count: int, width: int) -> Tensor:
    """Return the sinusoids of positions, float32 `(count, width)`."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]
