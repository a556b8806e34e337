"""The weights of one WaveNet step, packed as matrices `(inputs, outputs)`."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """The weights of one step.

    Attributes:
        embedding: `(classes, residual)`.
        gated: `(layers, 2 * residual, 2 * residual)`; its inputs are the sample `dilation` steps back and the present.
        gated_bias: `(layers, 2 * residual)`.
        residual: Matrix and bias of every layer except the last.
        output: Skip, hidden and logits matrices with their biases; the inputs of the skip matrix are the gated
            activations of all layers, one after the other.
        dilations: Of the layers, in samples.
        start: The class before the first.
        rate: Samples per second (Hz), where they are those of a sound.
    """

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
        """Number of classes."""
        return self.output[-1][0].shape[1]

    @property
    def conditioning_channels(self) -> int:
        """Channels of the conditioning: one for each filter and gate of each layer."""
        return len(self.dilations) * 2 * self.width

    @property
    def receptive_field(self) -> int:
        """Samples of the past that a prediction depends on."""
        return 1 + sum(self.dilations)
