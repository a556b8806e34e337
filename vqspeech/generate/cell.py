"""The weights of one WaveNet step, packed as matrices `(inputs, outputs)`."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """`embedding` `(classes, residual)`; `gated` `(layers, 2 * residual, 2 * residual)`, its inputs the sample
    `dilation` back and then the present one; `residual` the matrix and bias of every layer but the last; `output` the
    skip, hidden and logits matrices with their biases, the skip matrix over the gated activations of all layers side by
    side; `dilations` of the layers; `start`, the class before the first."""

    embedding: Tensor
    gated: Tensor
    gated_bias: Tensor
    residual: list[tuple[Tensor, Tensor]]
    output: list[tuple[Tensor, Tensor]]
    dilations: list[int]
    start: int
