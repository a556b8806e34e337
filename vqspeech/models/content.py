"""The content encoder: a Transformer over log-mel frames that is trained by masked prediction.

Its features depend on what is spoken more than on the speaker (HuBERT, Hsu et al., 2106.07447); codes are clusters of
them.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import ConfigError
from vqspeech.schema import Depth, Dropout, Range, Width, require_multiple

STRIDE = 2
"""Frames of the front end per step of the Transformer: 50 steps a second."""
WINDOW, POSITIONS = 15, 65
"""Steps of the convolution of each block, and of the one that encodes positions."""
_GROUPS = 16  # of the convolution that encodes positions
_PRIOR = 25
"""Codes of the training data's mean and deviation that are added to those of an utterance (prior weight)."""
WINDOW_STEPS, CONTEXT_STEPS = 1000, 200
"""Steps of a long recording that the Transformer gets at once (20 s), and context on either side (4 s)."""


class ContentBlock(nn.Module):
    """A pre-norm Transformer block with a depthwise convolution between attention and feed-forward part."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm, self.convolution_norm, self.forward_norm = (nn.LayerNorm(width) for _ in range(3))
        self.projections = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.convolution = nn.Conv1d(width, width, WINDOW, padding=WINDOW // 2, groups=width)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, valid: Tensor, seen: Tensor) -> Tensor:
        """Return the output of the block, of the shape of x.

        Args:
            x: `(batch, time, width)`.
            valid: Steps that count, bool `(batch, time)`.
            seen: Steps that each step attends to, bool `(batch, 1, time, time)`.
        """
        batch, time, width = x.shape
        parts = self.projections(self.attention_norm(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        heard = attend(parts[0], parts[1], parts[2], seen)  # (batch, heads, time, width / heads)
        x = x + self._drop(self.output(heard.transpose(1, 2).reshape(batch, time, width)))
        local = (self.convolution_norm(x) * valid[:, :, None]).transpose(1, 2)
        x = x + F.gelu(self.convolution(local).transpose(1, 2))
        return x + self._drop(self.layers(self.forward_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class ContentEncoder(nn.Module):
    """Features at 50 or 25 Hz of log-mel frames at 100 Hz.

    A convolution of stride 2 makes steps of 20 ms. Steps in which the front end saw no speech are taken out of the
    sequence before the Transformer, so that the length of a pause changes nothing, and come back as zeros. Positions
    come from a convolution, attention reaches `reach` steps to either side: length is free. `forward` gives the output
    of layer `layer`, averaged over `hop` frames and standardised over the utterance.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        inputs: int,
        latents: Width,
        depth: Depth = 8,
        heads: Annotated[int, Range(1, 64)] = 6,
        layer: Depth = 5,
        hop: Annotated[int, Range(STRIDE, 1000)] = STRIDE,
        reach: Annotated[int, Range(1, 100_000)] = 150,
        dropout: Dropout = 0.1,
    ):
        super().__init__()
        self.latents, self.hop, self.layer, self.reach = latents, hop, layer, reach
        self.input = nn.Conv1d(inputs, latents, 5, padding=2)
        self.subsample = nn.Conv1d(latents, latents, 2 * STRIDE, STRIDE, STRIDE // 2)
        self.masked = nn.Parameter(torch.randn(latents) * 0.1)
        self.positions = nn.Conv1d(latents, latents, POSITIONS, padding=POSITIONS // 2, groups=_GROUPS)
        self.blocks = nn.ModuleList(ContentBlock(latents, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(latents)
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("deviation", torch.ones(latents))

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the options do not fit together."""
        require_multiple(where, options, "latents", "heads")
        if options["latents"] % _GROUPS:
            raise ConfigError(f"{where}.latents={options['latents']}: give a multiple of {_GROUPS}")
        if options["hop"] % STRIDE:
            raise ConfigError(f"{where}.hop={options['hop']}: give a multiple of {STRIDE}")
        if options["layer"] > options["depth"]:
            raise ConfigError(f"{where}.layer={options['layer']}: there are {options['depth']} layers")

    @property
    def receptive_field(self) -> int:
        """Frames that one step depends on before the Transformer: pieces of a recording overlap by them."""
        return 5 + 2 * STRIDE

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return `features`, standardised over the utterances, which are whole."""
        return self.standardise(self.features(x, mask))

    def features(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return features that are not standardised yet.

        Args:
            x: `(batch, inputs, time)`, zero where there is no speech.
            mask: bool `(batch, time)`, true over a multiple of `hop` frames.

        Returns:
            `(batch, latents, time / hop)`, zero where there is no speech.
        """
        steps, speech = self.steps(x, mask)
        outputs, order, valid = self.transform(steps, speech, last=self.layer)
        return self.pool(scatter_steps(outputs[-1].float() * valid[:, :, None], order, steps.shape[1]), speech)

    def pool_steps(self, steps: Tensor, speech: Tensor) -> Tensor:
        """Return the features of one recording of any length, as `features`, from the result of `steps`.

        Memory is that of the steps: the Transformer gets `WINDOW_STEPS` at a time, with context on either side.
        """
        kept = steps[:, speech[0]]
        parts = []
        for start in range(0, kept.shape[1], WINDOW_STEPS):
            first = max(0, start - CONTEXT_STEPS)
            window = kept[:, first : start + WINDOW_STEPS + CONTEXT_STEPS]
            valid = torch.ones(window.shape[:2], dtype=torch.bool, device=window.device)
            output = self.transform(window, valid, last=self.layer)[0][-1].float()
            parts.append(output[:, start - first :][:, :WINDOW_STEPS])
        features = torch.zeros(steps.shape, device=steps.device)
        if parts:
            features[:, speech[0]] = torch.cat(parts, 1)
        return self.pool(features, speech)

    def pool(self, features: Tensor, speech: Tensor) -> Tensor:
        """Return means over the speech of each code's steps.

        Args:
            features: `(batch, steps, latents)`.
            speech: bool `(batch, steps)`.

        Returns:
            `(batch, latents, codes)`.
        """
        summed = features.unflatten(1, (-1, self.hop // STRIDE)).sum(2)
        counts = speech.unflatten(1, (-1, self.hop // STRIDE)).sum(2, keepdim=True).clamp(min=1)
        return (summed / counts).transpose(1, 2)

    def standardise(self, features: Tensor) -> Tensor:
        """Return features `(batch, latents, codes)` of whole utterances with mean 0 and deviation 1 over their speech.

        The mean takes with it what is constant of speaker and channel. Short utterances take part of mean and deviation
        from the training data, as if they were `_PRIOR` codes longer. Zeros, where there is no speech, stay.
        """
        speech = (features != 0).any(1, keepdim=True)
        count = speech.sum(2, keepdim=True)
        mean = (features.sum(2, keepdim=True) + _PRIOR * self.mean[:, None]) / (count + _PRIOR)
        square = ((features - mean).square() * speech).sum(2, keepdim=True)
        deviation = ((square + _PRIOR * self.deviation.square()[:, None]) / (count + _PRIOR)).sqrt()
        return (features - mean) / deviation.clamp(min=1e-3) * speech

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the steps of frames `(batch, time / 2, latents)` and which hold speech, bool `(batch, time / 2)`.

        Arguments are those of `features`.
        """
        heard = (x != 0).any(1) & mask
        h = F.gelu(self.input(x * mask[:, None])) * heard[:, None]
        h = F.gelu(self.subsample(h))
        speech = heard.unflatten(1, (-1, STRIDE)).any(2)
        return h.transpose(1, 2) * speech[:, :, None], speech

    def transform(
        self, steps: Tensor, speech: Tensor, last: int, masked: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the outputs of layers 1 to `last`, of the steps that hold speech alone.

        Args:
            steps: `(batch, time, latents)`, as `steps` gives them.
            speech: bool `(batch, time)`, likewise.
            last: The last layer.
            masked: bool `(batch, time)`, steps that are hidden.

        Returns:
            The outputs `(batch, kept, latents)`; the step that each stands for, int64 `(batch, kept)`; and which of
            them count, bool `(batch, kept)`.
        """
        if masked is not None:
            steps = torch.where(masked[:, :, None], self.masked.to(steps.dtype), steps)
        order = torch.argsort(~speech, dim=1, stable=True)
        # In training the shape stays as it is, so that a step can be captured as a graph.
        kept = steps.shape[1] if self.training else max(1, int(speech.sum(1).max()))
        order = order[:, :kept]
        valid = speech.gather(1, order)
        x = steps.gather(1, order[:, :, None].expand(-1, -1, steps.shape[2])) * valid[:, :, None]
        x = x + F.gelu(self.positions(x.transpose(1, 2)).transpose(1, 2))
        places = torch.arange(kept, device=x.device)
        near = (places[:, None] - places).abs() <= self.reach
        seen = (valid[:, None, :] & near) | torch.eye(kept, dtype=torch.bool, device=x.device)
        outputs = []
        for block in self.blocks[:last]:
            x = block(x, valid, seen[:, None])
            outputs.append(x)
        return outputs, order, valid


def attend(queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Return attention over values `(batch, heads, time, width)`; `seen` bool `(batch, 1, time, time)` is the mask."""
    if queries.requires_grad and queries.device.type == "cpu":
        # The gradient of the fused function takes twice the time of these products there.
        hidden = torch.zeros(seen.shape, dtype=queries.dtype).masked_fill_(~seen, -torch.inf)
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(2, 3) + hidden
        return scores.softmax(-1).to(values.dtype) @ values
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)


def scatter_steps(x: Tensor, order: Tensor, time: int) -> Tensor:
    """Return rows `(batch, kept, width)` at the steps `order` of `(batch, time, width)`, zero elsewhere."""
    whole = x.new_zeros(len(x), time, x.shape[2])
    return whole.scatter(1, order[:, :, None].expand(-1, -1, x.shape[2]), x)
