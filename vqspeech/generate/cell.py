"""The weights of one WaveNet step, packed as matrices `(inputs, outputs)`."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """`embedding` `(classes, residual)`; `gated` `(layers, 2 * residual, 2 * residual)`, its inputs the sample
    `dilation` back and then the present one; `residual` the matrix and bias of every layer but the last; `output` the
    skip, hidden and logits matrices with their biases, the skip matrix over the gated activations of all layers side by
    side; `dilations` of the layers; `start`, the class before the first; `rate` of the samples (Hz) where they are
    those of a sound."""

    embedding: Tensor
    gated: Tensor
    gated_bias: Tensor
    residual: list[tuple[Tensor, Tensor]]
    output: list[tuple[Tensor, Tensor]]
    dilations: list[int]
    start: int
    rate: float | None = None

    @property
    def width(self) -> int:
        """Channels of the residual path."""
        return self.embedding.shape[1]

    @property
    def classes(self) -> int:
        """Classes that are drawn."""
        return self.output[-1][0].shape[1]

    @property
    def conditions(self) -> int:
        """Channels of the conditioning: a number for every filter and gate of every layer."""
        return len(self.dilations) * 2 * self.width

    @property
    def receptive_field(self) -> int:
        """Samples before the present one that a prediction depends on."""
        return 1 + sum(self.dilations)
