"""What a prior over video is made of: what it knows of the past, and the distribution of a frame given that."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.vision.data.codes import ImageCodes

Past = Callable[[Tensor, Tensor], Tensor]
"""Condition `(batch, channels, height, width)` of the next frame after each call's codes `(batch, height, width)` and
actions `(batch,)`, over what is kept of the calls before."""


class VideoNetwork(nn.Module, ABC):
    """p(frame | frames before, actions) over grids of codes, in raster order within a frame.

    Actions are 1 + their number, 0 where none is told. Before the first frame there is one of codes `size`, at which no
    action was told.
    """

    size: int

    @property
    @abstractmethod
    def reach(self) -> int:
        """Frames before the present one that a prediction depends on."""

    @abstractmethod
    def conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        """What is known of the frame after each: `(batch, time, channels, height, width)`, of codes `(batch, time,
        height, width)` and actions `(batch, time)`."""

    @abstractmethod
    def past(self, batch: int) -> Past:
        """The same, frame by frame."""

    @abstractmethod
    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits `(batch, size, height, width)` of the codes of frames `(batch, height, width)`, each given those
        before it in its frame, and its condition."""

    @abstractmethod
    def drawn(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        """Frames int64 `(batch, height, width)` drawn by uniforms float32 of that shape, given a condition each."""

    @abstractmethod
    def bias(self) -> nn.Parameter:
        """What is added to the logits of every code `(size,)`."""

    @torch.no_grad()
    def start(self, codes: ImageCodes, actions: Sequence[str]) -> None:
        """Starts it at the unigram of the codes: what no network need learn. `actions` are the names it is told by."""
        counts = np.bincount(codes.codes.ravel(), minlength=self.size) + 1.0
        self.bias().copy_(torch.from_numpy(np.log(counts / counts.sum())))

    def forward(self, codes: Tensor, actions: Tensor) -> Tensor:
        """Logits `(batch, size, time, height, width)` of codes `(batch, time, height, width)`, each given all frames
        before, what was done at them, and the codes before it in its own frame."""
        before = F.pad(codes[:, :-1], (0, 0, 0, 0, 1, 0), value=self.size)
        condition = self.conditions(before, F.pad(actions[:, :-1], (1, 0)))
        logits = self.logits(codes.flatten(0, 1), condition.flatten(0, 1))
        return logits.unflatten(0, codes.shape[:2]).transpose(1, 2)

    def begun(self, codes: Tensor, actions: Tensor) -> tuple[Past, Tensor]:
        """The past after frames `(batch, time, height, width)` and actions `(batch, time)`, and the condition of the
        next one. There may be no frames."""
        past = self.past(len(codes))
        start = codes.new_full((len(codes), *codes.shape[2:]), self.size)
        condition = past(start, torch.zeros(len(codes), dtype=torch.long, device=codes.device))
        for i in range(codes.shape[1]):
            condition = past(codes[:, i], actions[:, i])
        return past, condition
