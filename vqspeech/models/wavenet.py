"""Gated, dilated, causal convolutions over classes (WaveNet, van den Oord et al., 1609.03499): samples or codes."""

from collections.abc import Sequence
from typing import Annotated, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.generate import Cell
from vqspeech.schema import Range

Cycle = Annotated[int, Range(1, 20)]
"""Layers until the dilation begins at 1 again."""


def convolve(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Return the convolution over time of x `(batch, time, channels)`, in that layout.

    Convolution libraries compute it up to twice as fast as `(batch, channels, time)`: to them it is an image of height
    1, channels last.
    """
    weight = convolution.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    image = x.transpose(1, 2).unsqueeze(2)  # (batch, channels, 1, time), a view
    return F.conv2d(image, weight, convolution.bias, dilation=(1, *convolution.dilation)).squeeze(2).transpose(1, 2)


class Layer(nn.Module):
    """One gated, dilated, causal convolution of window 2: the present class and the one `dilation` before it.

    The `last` layer has no residual path: nothing would read it.
    """

    def __init__(self, residual: int, dilation: int, last: bool, dropout: float):
        super().__init__()
        self.dilation = dilation
        self.gated = nn.Conv1d(residual, 2 * residual, 2, dilation=dilation)
        self.residual = None if last else nn.Conv1d(residual, residual, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next layer's x and the gated activations, both `(batch, time, residual)`.

        Args:
            x: `(batch, time, residual)`.
            condition: `(batch, latents, 1, 2 * residual)`.
        """
        z = convolve(F.pad(x, (0, 0, self.dilation, 0)), self.gated)
        # The condition is one number per latent and channel: adding it through a view spares the upsampled copy.
        z = (z.unflatten(1, (condition.shape[1], -1)) + condition).flatten(1, 2)
        filters, gates = (half.contiguous() for half in z.chunk(2, 2))  # the functions are faster on whole rows
        h = self.dropout(filters.tanh() * gates.sigmoid())
        return (x if self.residual is None else x + convolve(h, self.residual)), h


class CausalStack(nn.Module):
    """p(class | classes before it, condition), by gated causal convolutions with residual and skip paths.

    The dilation of the `layers` doubles, starting again at 1 every `cycle` layers. The input is one of `inputs`
    classes, the previous one; the output is one of `classes`, `rate` per second (Hz). `start` is the input before the
    first.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        start: int,
        rate: float,
        layers: int,
        cycle: int,
        residual: int,
        skip: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.start, self.rate = start, rate
        self.embedding = nn.Embedding(inputs, residual)
        stack = nn.ModuleList(Layer(residual, 2 ** (i % cycle), i == layers - 1, dropout) for i in range(layers))
        self.layers = cast(Sequence[Layer], stack)
        self.skip = nn.Conv1d(layers * residual, skip, 1)
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.logits = nn.Conv1d(skip, classes, 1)
        with torch.no_grad():
            # The skip convolution sums over all layers; this start gives the sum the deviation of one of them.
            self.skip.weight.mul_(layers**-0.5)

    @property
    def receptive_field(self) -> int:
        """Classes before the present one that a prediction depends on."""
        return 1 + sum(layer.dilation for layer in self.layers)

    def predict(self, before: Tensor, conditioning: Tensor) -> Tensor:
        """Return logits of what follows each input.

        Args:
            before: Inputs, int `(batch, time)`.
            conditioning: `(batch, layers * 2 * residual, latents)`, each held over time / latents steps.

        Returns:
            `(batch, time, classes)`.
        """
        x = self.embedding(before.long())  # (batch, time, residual)
        conditions = conditioning.transpose(1, 2).unsqueeze(2).contiguous().chunk(len(self.layers), 3)
        activations = []
        for layer, condition in zip(self.layers, conditions, strict=True):
            x, h = layer(x, condition)
            activations.append(h)
        # One product for the sum of all skip paths instead of one addition a layer over the whole of time.
        skip = F.relu(convolve(torch.cat(activations, 2), self.skip))
        return convolve(F.relu(convolve(skip, self.hidden)), self.logits)

    def cell(self) -> Cell:
        """Return the weights packed for sampling: one step of the network."""
        gated = torch.stack([layer.gated.weight for layer in self.layers])  # (layers, 2 residual, residual, window)
        return Cell(
            embedding=self.embedding.weight.detach(),
            gated=gated.detach().permute(0, 3, 2, 1).flatten(1, 2).contiguous(),
            gated_bias=torch.stack([layer.gated.get_parameter("bias") for layer in self.layers]).detach(),
            residual=[_matrix(layer.residual) for layer in self.layers if layer.residual is not None],
            output=[_matrix(conv) for conv in (self.skip, self.hidden, self.logits)],
            dilations=[layer.dilation for layer in self.layers],
            start=self.start,
            rate=self.rate,
        )


def _matrix(convolution: nn.Conv1d) -> tuple[Tensor, Tensor]:
    """Return the weight `(inputs, outputs)` and bias `(outputs,)` of a convolution of window 1."""
    assert convolution.bias is not None
    return convolution.weight[:, :, 0].T.detach().contiguous(), convolution.bias.detach()
