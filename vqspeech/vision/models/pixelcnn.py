"""Gated PixelCNN (van den Oord et al., "Conditional image generation with PixelCNN decoders", 1606.05328).

The vertical stack of convolutions sees all rows above, the horizontal one the current row to the left and, at every
layer, the vertical stack, so that there is no blind spot. Both start from codes shifted by one place, so that no layer
needs a mask.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Depth, Dropout, Options, Range, Share, Width


def apply_gate(z: Tensor, dim: int) -> Tensor:
    """Return tanh of the first half of the channels times the sigmoid of the second (1606.05328, eq. 2)."""
    filters, gates = z.chunk(2, dim)
    return filters.tanh() * gates.sigmoid()


class Layer(nn.Module):
    """Gated layer of both stacks.

    The vertical stack sees `reach` rows up and `reach` columns to both sides, the horizontal one `reach` columns to the
    left.

    Args:
        width: Channels of each stack.
        window: Kernel size, odd; the reach is (window - 1) / 2.
        condition: Channels of the condition; 0 for none.
        last: Leave out the residual paths, which nothing would read.
        dropout: Dropout of the activations.
    """

    def __init__(self, width: int, window: int, condition: int, last: bool, dropout: float):
        super().__init__()
        self.reach = window // 2
        self.vertical = nn.Conv2d(width, 2 * width, (self.reach + 1, window))
        self.horizontal = nn.Conv2d(width, 2 * width, (1, self.reach + 1))
        self.across = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.condition = nn.Conv2d(condition, 4 * width, 1, bias=False) if condition else None
        self.residual = None if last else nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def compute_conditions(self, label: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what is added in each stack: two tensors `(batch, 2 * width, height or 1, width or 1)`.

        Args:
            label: Embedding of the class `(batch, 4 * width)`.
            condition: Condition of every place `(batch, channels, height, width)`.
        """
        added = label[:, :, None, None]
        if self.condition is not None:
            added = added + self.condition(condition)
        vertical, horizontal = added.chunk(2, 1)
        return vertical, horizontal

    def forward(self, v: Tensor, h: Tensor, conditions: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return both stacks `(batch, width, height, width)` after the layer, and the horizontal activations."""
        r = self.reach
        rows = self.vertical(F.pad(v, (r, r, r, 0)))
        z = self.horizontal(F.pad(h, (r, 0))) + self.across(rows) + conditions[1]
        activations = self.dropout(apply_gate(z, 1))
        if self.residual is None:
            return v, h, activations
        return v + apply_gate(rows + conditions[0], 1), h + self.residual(activations), activations


class PixelCNN(nn.Module):
    """p(codes | class, condition) over grids of codes, in raster order.

    The codes of one place are drawn in the order of their channels, each given those before it, by a separate hidden
    layer on top of the features of both stacks: p(c₁) p(c₂ | c₁) …. Every place has a learned position vector.

    Args:
        size: Number of codes.
        shape: (channels, height, width) of the grid.
        classes: Number of classes; class 0 is "unknown", the others are 1 to `classes`.
        condition: Channels of a condition with a vector for every place; 0 for none.
        layers: Gated layers.
        width: Channels of each stack.
        window: Kernel size, odd.
        hidden: Channels of the output layers.
        dropout: Dropout of the activations.
        hidden_codes: Share of the places that the network does not see in training, because a decoder that sees all
            earlier codes can ignore its latents.
    """

    def __init__(
        self,
        size: int,
        shape: Sequence[int],
        classes: int = 0,
        condition: int = 0,
        layers: Depth = 12,
        width: Width = 128,
        window: Annotated[int, Range(3, 99, odd=True)] = 5,
        hidden: Width = 512,
        dropout: Dropout = 0.1,
        hidden_codes: Dropout = 0.0,
    ):
        super().__init__()
        self.size, self.shape, self.hidden_codes = size, (shape[0], shape[1], shape[2]), hidden_codes
        channels = self.shape[0]
        self.embedding = nn.Embedding(channels * (size + 1), width)
        self.places = nn.Parameter(torch.zeros(width, *self.shape[1:]))
        self.told = nn.Embedding(classes + 1, layers * 4 * width)
        stack = nn.ModuleList(Layer(width, window, condition, i == layers - 1, dropout) for i in range(layers))
        self.layers = cast(Sequence[Layer], stack)
        self.skip = nn.Conv2d(layers * width, hidden, 1)
        self.hidden = nn.Conv2d(hidden, hidden, 1)
        # A condition has a short way too: through all gates, it takes hundreds of steps until it is heard.
        self.above = nn.Conv2d(condition, hidden, 1, bias=False) if condition else None
        self.ahead = nn.Embedding((channels - 1) * size, hidden) if channels > 1 else None
        self.logits = nn.Conv2d(channels * hidden, channels * size, 1, groups=channels)
        nn.init.zeros_(self.told.weight)
        with torch.no_grad():
            # The skip convolution sums over all layers; this start gives the sum the deviation of one of them.
            self.skip.weight.mul_(layers**-0.5)

    @property
    def reach(self) -> int:
        """Receptive field: rows above, and columns to either side, that a prediction depends on."""
        return len(self.layers) * self.layers[0].reach + 1

    def embed(self, codes: Tensor) -> Tensor:
        """Embed codes int `(batch, channels, height, width)`: `(batch, width, height, width)`.

        The embeddings of the channels of a place are summed; code `size` is a place outside of the grid.
        """
        offsets = torch.arange(codes.shape[1], device=codes.device)[:, None, None] * (self.size + 1)
        return self.embedding(codes.long() + offsets).sum(1).permute(0, 3, 1, 2)

    def forward(self, codes: Tensor, classes: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return logits `(batch, size, channels, height, width)`, each given the codes before it.

        Args:
            codes: int `(batch, channels, height, width)`.
            classes: int `(batch,)`.
            condition: `(batch, condition, height, width)`.
        """
        features = self.features(self.embed(F.pad(codes, (1, 0, 1, 0), value=self.size)), classes, condition)
        if self.ahead is not None:
            features = features[:, None] + self._ahead(codes)  # (batch, channels, hidden, height, width)
            features = features.flatten(1, 2)
        return self.logits(F.relu(features)).unflatten(1, (self.shape[0], self.size)).transpose(1, 2)

    def features(self, vectors: Tensor, classes: Tensor, condition: Tensor | None) -> Tensor:
        """Return the features of both stacks for each place: `(batch, hidden, height, width)`.

        Args:
            vectors: `(batch, width, 1 + height, 1 + width)`, with a row above and a column to the left of the grid.
            classes: int `(batch,)`.
            condition: `(batch, condition, height, width)`.
        """
        if self.training and self.hidden_codes:
            shown = torch.rand_like(vectors[:, :1]) >= self.hidden_codes
            vectors = vectors * shown
        v, h = vectors[:, :, :-1, 1:], vectors[:, :, 1:, :-1] + self.places
        activations = []
        for layer, label in zip(self.layers, self.told(classes).chunk(len(self.layers), 1), strict=True):
            v, h, found = layer(v, h, layer.compute_conditions(label, condition))
            activations.append(found)
        found = self.hidden(F.relu(self.skip(torch.cat(activations, 1))))
        return found if self.above is None else found + self.above(condition)

    def _ahead(self, codes: Tensor) -> Tensor:
        """Return what earlier channels of a place contribute `(batch, channels, hidden, height, width)`, first 0."""
        assert self.ahead is not None
        offsets = torch.arange(codes.shape[1] - 1, device=codes.device)[:, None, None] * self.size
        above = self.ahead(codes[:, :-1].long() + offsets).cumsum(1).permute(0, 1, 4, 2, 3)
        return F.pad(above, (0, 0, 0, 0, 0, 0, 1, 0))

    def loss(self, codes: Tensor, classes: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return -ln p of every code `(batch, channels, height, width)` given those before it, in nats."""
        return F.cross_entropy(self(codes, classes, condition).float(), codes.long(), reduction="none")


PRIOR = Options(PixelCNN, given=("size", "shape", "classes", "condition"), extra={"condition_dropout": Share})
"""The group `prior` of a configuration."""


def build_pixelcnn(options: Mapping[str, Any], **given: Any) -> PixelCNN:
    """Build the PixelCNN of a group `prior`; `given` are the arguments that are not options.

    Raises:
        ConfigError: An option is unknown or does not fit.
    """
    checked = PRIOR.check("prior", options)
    return PixelCNN(**given, **{name: value for name, value in checked.items() if name not in PRIOR.extra})
