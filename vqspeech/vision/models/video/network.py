"""Interface of the networks of a video prior: encoding of the past, and the distribution of a frame given it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.vision.data.codes import ImageCodes

Past = Callable[[Tensor, Tensor], Tensor]
"""Recurrent state: takes codes `(batch, height, width)` and actions `(batch,)` of a frame and returns the condition
`(batch, channels, height, width)` of the next.
"""


class VideoNetwork(nn.Module, ABC):
    """p(frame | earlier frames, actions) over grids of codes, in raster order within a frame.

    Actions are 1 + their number, 0 if unknown. Before the first frame there is a frame of codes `size` with action 0.
    """

    size: int

    @property
    @abstractmethod
    def reach(self) -> int:
        """Receptive field: earlier frames that a prediction depends on."""

    @abstractmethod
    def compute_conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Return the condition of the frame after each: `(batch, time, channels, height, width)`.

        Args:
            codes: `(batch, time, height, width)`.
            actions: `(batch, time)`.
        """

    @abstractmethod
    def start_past(self, batch: int) -> Past:
        """Return the state that computes the same conditions frame by frame."""

    @abstractmethod
    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Return logits `(batch, size, height, width)` of frames, each code given those before it in its frame.

        Args:
            codes: `(batch, height, width)`.
            condition: `(batch, channels, height, width)`.
        """

    @abstractmethod
    def draw(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        """Draw frames int64 `(batch, height, width)` by uniforms float32 of that shape, given a condition each."""

    @abstractmethod
    def output_bias(self) -> nn.Parameter:
        """Return the bias of the logits `(size,)`."""

    @torch.no_grad()
    def initialise(self, codes: ImageCodes, actions: Sequence[str]) -> None:
        """Initialise the output bias to the unigram of the codes; `actions` are the names of the actions."""
        counts = np.bincount(codes.codes.ravel(), minlength=self.size) + 1.0
        self.output_bias().copy_(torch.from_numpy(np.log(counts / counts.sum())))

    def forward(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Return logits `(batch, size, time, height, width)` of codes `(batch, time, height, width)`.

        Each is given all earlier frames, the actions at them, and the codes before it in its own frame.
        """
        before = F.pad(codes[:, :-1], (0, 0, 0, 0, 1, 0), value=self.size)
        condition = self.compute_conditions(before, F.pad(actions[:, :-1], (1, 0)))
        logits = self.logits(codes.flatten(0, 1), condition.flatten(0, 1))
        return logits.unflatten(0, codes.shape[:2]).transpose(1, 2)

    def prime(self, codes: Tensor, actions: Tensor) -> tuple[Past, Tensor]:
        """Return the state after some frames, and the condition of the next one. There may be no frames.

        Args:
            codes: `(batch, time, height, width)`.
            actions: `(batch, time)`.
        """
        past = self.start_past(len(codes))
        start = codes.new_full((len(codes), *codes.shape[2:]), self.size)
        condition = past(start, torch.zeros(len(codes), dtype=torch.long, device=codes.device))
        for i in range(codes.shape[1]):
            condition = past(codes[:, i], actions[:, i])
        return past, condition
