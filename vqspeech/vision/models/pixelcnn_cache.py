"""Cached sampling of a PixelCNN, which computes every place once.

The vertical stack keeps rows, the horizontal one columns.
"""

import torch
from torch import Tensor, nn

from vqspeech.generate.cached import draw_classes
from vqspeech.progress import track
from vqspeech.vision.models.pixelcnn import PixelCNN, apply_gate


class Cache:
    """Activations of the places before the current one, for a batch of images.

    `start_row(i, before)` prepares row i, `compute_place(j, before)` gives the features of its places one by one.
    """

    def __init__(self, network: PixelCNN, classes: Tensor, condition: Tensor | None):
        self.network, batch = network, len(classes)
        _, height, width = network.shape
        layers, reach, channels = network.layers, network.layers[0].reach, network.embedding.embedding_dim
        place = network.places
        labels = network.told(classes).chunk(len(layers), 1)
        self.conditions = [layer.compute_conditions(one, condition) for layer, one in zip(layers, labels, strict=True)]
        above = torch.zeros(()) if network.above is None else network.above(condition)
        self.above = above.to(place).expand(batch, network.hidden.out_channels, height, width)
        # What comes into each layer, with the margins that the convolutions look into.
        self.rows = [place.new_zeros(batch, channels, reach + 1, width + 2 * reach) for _ in layers]
        self.columns = [place.new_zeros(batch, reach + width, channels) for _ in layers]
        self.ready = [place.new_empty(width, batch, 2 * channels) for _ in layers]
        self.activations = place.new_empty(batch, len(layers), channels)
        self.places = place.permute(1, 2, 0)  # (height, width, channels)
        self.gates = [layer.horizontal.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous() for layer in layers]
        self.residuals = [None if layer.residual is None else _matrix(layer.residual) for layer in layers]
        self.outputs = [_matrix(one) for one in (network.skip, network.hidden)]

    def start_row(self, i: int, before: Tensor) -> None:
        """Prepare row i, given the vectors of the row above `(batch, channels, width)`."""
        v, reach = before[:, :, None], self.network.layers[0].reach
        for n, layer in enumerate(self.network.layers):
            rows = self.rows[n]
            rows[:, :, :-1] = rows[:, :, 1:].clone()
            rows[:, :, -1:, reach : reach + v.shape[3]] = v
            found = layer.vertical(rows)  # (batch, 2 * channels, 1, width)
            vertical, horizontal = (_row(one, i) for one in self.conditions[n])
            ready = layer.across(found) + horizontal + layer.horizontal.get_parameter("bias")[:, None, None]
            self.ready[n].copy_(ready[:, :, 0].permute(2, 0, 1))
            if layer.residual is not None:
                v = v + apply_gate(found + vertical, 1)
        self.i = i

    def compute_place(self, j: int, before: Tensor) -> Tensor:
        """Return the features `(batch, hidden)` of column j, given the vector to the left `(batch, channels)`."""
        h, reach = before + self.places[self.i, j], self.network.layers[0].reach
        for n, columns in enumerate(self.columns):
            columns[:, reach + j] = h
            z = torch.addmm(self.ready[n][j], columns[:, j : j + reach + 1].flatten(1), self.gates[n])
            found = self.activations[:, n] = apply_gate(z, 1)
            residual = self.residuals[n]
            if residual is not None:
                h = h + torch.addmm(residual[0], found, residual[1])
        x = torch.addmm(self.outputs[0][0], self.activations.flatten(1), self.outputs[0][1])
        return torch.addmm(self.outputs[1][0], x.relu_(), self.outputs[1][1]) + self.above[:, :, self.i, j]


@torch.inference_mode()
def sample_codes(
    network: PixelCNN,
    uniforms: Tensor,
    classes: Tensor,
    condition: Tensor | None = None,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    given: Tensor | None = None,
    logits: Tensor | None = None,
    progress: bool = False,
) -> Tensor:
    """Draw codes by inverse transform sampling: each is where the cumulative distribution passes its uniform number.

    The draws of an item do not depend on the other items of the batch.

    Args:
        network: The PixelCNN.
        uniforms: float32 `(batch, channels, height, width)`, uniform in [0, 1).
        classes: int `(batch,)`.
        condition: `(batch, condition, height, width)`.
        temperature: Divides the logits; 0 takes the most probable code.
        top_p: Probability mass of the most probable codes that are drawn from.
        given: The first rows, int `(batch, channels, rows, width)`.
        logits: Filled with all logits, `(batch, size, channels, height, width)`.
        progress: Whether progress is reported.

    Returns:
        int64 `(batch, channels, height, width)`.
    """
    channels, height, width = network.shape
    batch, size = len(uniforms), network.size
    cache = Cache(network, classes, condition)
    padded = torch.full((batch, channels, 1 + height, 1 + width), size, dtype=torch.long, device=uniforms.device)
    codes, rows = padded[:, :, 1:, 1:], 0 if given is None else given.shape[2]
    weights, biases = (
        network.logits.weight[:, :, 0, 0].chunk(channels),
        network.logits.get_parameter("bias").chunk(channels),
    )
    for i in track(range(height), "sampling", "row", shown=progress):
        cache.start_row(i, network.embed(padded[:, :, i : i + 1, 1:])[:, :, 0])
        for j in range(width):
            before = network.embed(padded[:, :, i + 1 : i + 2, j : j + 1])[:, :, 0, 0]
            features = cache.compute_place(j, before)
            for c in range(channels):
                found = torch.addmm(biases[c], features.relu(), weights[c].T)
                if logits is not None:
                    logits[:, :, c, i, j] = found
                if given is not None and i < rows:
                    codes[:, c, i, j] = given[:, c, i, j]
                else:
                    codes[:, c, i, j] = draw_classes(found, uniforms[:, c, i, j], temperature, top_p)
                if network.ahead is not None and c < channels - 1:
                    features = features + network.ahead(codes[:, c, i, j] + c * size)
    return codes.clone()


def _matrix(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return bias `(outputs,)` and weight `(inputs, outputs)` of a 1×1 convolution."""
    return convolution.get_parameter("bias"), convolution.weight[:, :, 0, 0].T.contiguous()


def _row(condition: Tensor, i: int) -> Tensor:
    return condition if condition.shape[2] == 1 else condition[:, :, i : i + 1]
