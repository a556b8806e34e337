"""What a prior over video is made of: what it knows of the past, and the distribution of a frame given that."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Past = Callable[[Tensor, Tensor], Tensor]
"""Condition `(batch, channels, height, width)` of the next frame after each call's codes `(batch, height, width)` and
actions `(batch,)`, over what is kept of the calls before."""


class VideoNetwork(nn.Module):
    """p(frame | frames before, actions) over grids of codes, in raster order within a frame.

    Actions are 1 + their number, 0 where none is told. Before the first frame there is one of codes `size`, at which no
    action was told.
    """

    size: int

    @property
    def reach(self) -> int:
        """Frames before the present one that a prediction depends on."""
        raise NotImplementedError

    def conditions(self, codes: Tensor, actions: Tensor) -> Tensor:
        """What is known of the frame after each: `(batch, time, channels, height, width)`, of codes `(batch, time,
        height, width)` and actions `(batch, time)`."""
        raise NotImplementedError

    def past(self, batch: int) -> Past:
        """The same, frame by frame."""
        raise NotImplementedError

    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits `(batch, size, height, width)` of the codes of frames `(batch, height, width)`, each given those
        before it in its frame, and its condition."""
        raise NotImplementedError

    def drawn(self, uniforms: Tensor, condition: Tensor, temperature: float, top_p: float) -> Tensor:
        """Frames int64 `(batch, height, width)` drawn by uniforms float32 of that shape, given a condition each."""
        raise NotImplementedError

    def bias(self) -> nn.Parameter:
        """What is added to the logits of every code `(size,)`."""
        raise NotImplementedError

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
