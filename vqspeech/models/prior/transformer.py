"""A Transformer prior (Vaswani et al., 1706.03762) with cached keys and values in sampling."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.generate.cached import draw_classes
from vqspeech.progress import report, track
from vqspeech.schema import Depth, Dropout, Width, require_multiple


class Block(nn.Module):
    """A pre-norm Transformer block: causal attention, then a network with one hidden layer."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of x `(batch, time, width)`: `(batch, heads, time, width / heads)` each."""
        parts = self.projection(self.before_attention(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def attend(self, x: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Return the output of the block; bias `(heads, queries, keys)` is added to the scores."""
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        x = x + self.dropout(self.output(found.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.network(self.before_network(x)))


class TransformerPrior(nn.Module):
    """p(code | codes before it, speaker) over `size` codes, `rate` per second; the speaker is added to every code.

    Index 0 is an unknown speaker. Every layer attends to the last `window` codes. Positions are relative: a head's
    score falls by its slope with every code of distance (Press, Smith, Lewis, "Train Short, Test Long", 2108.12409), so
    there is no longest utterance.
    """

    slopes: Tensor

    def __init__(
        self,
        size: int,
        speakers: int,
        rate: float,
        layers: Depth = 6,
        width: Width = 256,
        heads: Width = 4,
        window: Width = 512,
        dropout: Dropout = 0.1,
    ):
        super().__init__()
        self.rate, self.window, self.start = rate, window, size
        self.embedding = nn.Embedding(size + 1, width)
        self.speaker = nn.Embedding(speakers + 1, width)
        blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.blocks = cast(Sequence[Block], blocks)
        self.norm = nn.LayerNorm(width)
        self.logits = nn.Linear(width, size)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("slopes", 2.0 ** (-8 * torch.arange(1, heads + 1) / heads), persistent=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.speaker.weight)

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the width is not a multiple of the heads."""
        require_multiple(where, options, "width", "heads")

    @property
    def receptive_field(self) -> int:
        """Codes before the present one that a prediction depends on."""
        return 1 + len(self.blocks) * (self.window - 1)

    def forward(self, before: Tensor, speakers: Tensor) -> Tensor:
        """Return logits `(batch, time, size)`.

        Args:
            before: The code before each, int `(batch, time)`; `size` at the beginning.
            speakers: int `(batch,)`.
        """
        x = self.dropout(self.embedding(before) + self.speaker(speakers)[:, None])
        places = torch.arange(before.shape[1], device=x.device)
        bias = self._bias(places[:, None] - places).to(x.dtype)
        for block in self.blocks:
            x = block.attend(x, *block.project(x), bias)
        return self.logits(self.norm(x))

    def _bias(self, back: Tensor) -> Tensor:
        """Return what is added to the scores of keys `back` int `(queries, keys)` codes before: `(heads, …)`."""
        bias = -self.slopes[:, None, None] * back
        return bias.masked_fill((back < 0) | (back >= self.window), float("-inf"))

    @torch.inference_mode()
    def sample(
        self, speakers: Tensor, uniforms: Tensor, temperature: float, top_p: float, given: Tensor, progress: bool
    ) -> Tensor:
        """Return codes int64 `(batch, time)` drawn by uniforms `(batch, time)`, the first ones `given`."""
        step = Step(self, speakers)
        batch, steps = uniforms.shape
        codes = torch.empty(batch, steps, dtype=torch.long, device=uniforms.device)
        drawn = torch.full((batch,), self.start, dtype=torch.long, device=uniforms.device)
        started = time.perf_counter()
        for i in track(range(steps), "sampling", "code", shown=progress):
            found = step(drawn)
            drawn = given[:, i] if i < given.shape[1] else draw_classes(found, uniforms[:, i], temperature, top_p)
            codes[:, i] = drawn
        if progress:
            rate = batch * steps / (time.perf_counter() - started)
            report(f"{batch} x {steps:,} codes at {rate:,.0f} codes/s, {rate / self.rate:.2f}x real time")
        return codes


class Step:
    """Logits `(batch, size)` of the next code for codes `(batch,)`, with cached keys and values.

    Those of the last `window` calls are kept in rings, one per layer.
    """

    def __init__(self, prior: TransformerPrior, speakers: Tensor):
        self.prior, self.voice, self.calls = prior, prior.speaker(speakers), 0
        width, heads = prior.embedding.embedding_dim, len(prior.slopes)
        shape = (2, len(speakers), heads, prior.window, width // heads)
        self.rings = [torch.zeros(shape, device=speakers.device, dtype=self.voice.dtype) for _ in prior.blocks]

    def __call__(self, before: Tensor) -> Tensor:
        """Return the logits `(batch, size)` of the next code, given the codes before, `(batch,)`."""
        prior = self.prior
        x = (prior.embedding(before) + self.voice)[:, None]
        slot, filled = self.calls % prior.window, min(self.calls + 1, prior.window)
        # What lies in slot j was put there (now - j) mod window calls ago.
        back = (self.calls - torch.arange(filled, device=x.device)) % prior.window
        bias = prior._bias(back[None]).to(x.dtype)  # noqa: SLF001 -- its own decoding state
        for block, ring in zip(prior.blocks, self.rings, strict=True):
            query, ring[0, :, :, slot : slot + 1], ring[1, :, :, slot : slot + 1] = block.project(x)
            x = block.attend(x, query, ring[0, :, :, :filled], ring[1, :, :, :filled], bias)
        self.calls += 1
        return prior.logits(prior.norm(x))[:, 0]
