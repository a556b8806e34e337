"""What a decoder is told of the utterances it decodes side by side, beside latents and speakers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a decoder that draws its samples does so: the `temperature`; a `seed` for all utterances or one each;
    `exact`, every utterance in one stream, which is the same whatever is decoded beside it and on however many cores,
    while else long ones are cut into pieces for speed; the `engine` of `vqspeech.generate`. `formant` stretches the
    frequency axis of spectral envelopes, for a decoder that has such."""

    temperature: float = 1.0
    seed: int | Sequence[int] = 0
    exact: bool = False
    engine: str = "auto"
    formant: float = 1.0


@dataclass
class Lanes:
    """`samples` int `(batch,)`, the length of each; `pitch` float32 `(batch, frames)`, log F0 of every 10 ms frame, 0
    where there is none at all; `seeds`, one a lane; `starts`, the sample of its utterance at which each lane begins."""

    samples: Tensor
    pitch: Tensor
    seeds: Sequence[int]
    starts: Sequence[int]
    sampling: Sampling = field(default_factory=Sampling)

    def uniforms(self, steps: int) -> Tensor:
        """Numbers in [0, 1) to draw with: float32 `(batch, steps)`; those of a sample hang on the seed and its place in
        the utterance alone. Pieces that overlap draw with the same ones, which soon makes their samples the same."""
        drawn = [
            np.random.PCG64(seed).advance(start).random_raw(steps)
            for seed, start in zip(self.seeds, self.starts, strict=True)
        ]
        # The upper 24 of 64 bits: as many as a float32 has, so that none is rounded up to 1.
        return torch.from_numpy((np.stack(drawn) >> 40).astype(np.float32) * np.float32(2**-24)).to(self.samples.device)
