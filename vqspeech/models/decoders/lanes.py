"""What a decoder is told of the utterances it decodes side by side, beside latents and speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass
class Lanes:
    """`samples` int `(batch,)`, the length of each; `pitch` float32 `(batch, frames)`, log F0 of every 10 ms frame, 0
    where there is none at all; `seeds`, one a lane, and `temperature` of what is drawn."""

    samples: Tensor
    pitch: Tensor
    seeds: Sequence[Sequence[int]]
    temperature: float = 1.0

    def uniforms(self, steps: int) -> Tensor:
        """Numbers in [0, 1) to draw with: float32 `(batch, steps)`; a lane's do not depend on the lanes beside it."""
        drawn = [np.random.default_rng(seed).random(steps, dtype=np.float32) for seed in self.seeds]
        return torch.from_numpy(np.stack(drawn)).to(self.samples.device)
