"""Input of a decoder for the utterances of a batch, besides latents and speakers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a decoder draws its samples.

    Attributes:
        temperature: Of the softmax; 0 takes the likeliest level.
        seed: One for all utterances, or one for each.
        exact: Whether each utterance is one stream, whose samples depend neither on the rest of the batch nor on the
            number of cores. Otherwise long utterances are cut into chunks for speed.
        engine: An engine of `vqspeech.generate`.
        formant: Factor by which the frequency axis of spectral envelopes is stretched, where the decoder has such.
        guidance: How far a conversion goes beyond the target voice, away from that of the source, where the decoder can
            (`SourceFilter.contrast`); None: as far as is best for the decoder.
    """

    temperature: float = 1.0
    seed: int | Sequence[int] = 0
    exact: bool = False
    engine: str = "auto"
    formant: float = 1.0
    guidance: float | None = None


@dataclass
class Streams:
    """The utterances, or chunks of them, that are decoded in a batch.

    Attributes:
        samples: Length of each, int `(batch,)`.
        pitch: Log F0 of every 10 ms frame, float32 `(batch, frames)`, 0 where there is none.
        seeds: One for each.
        starts: Sample of the utterance at which each begins.
        sampling: How samples are drawn.
        gains: Added to the log gains of a decoder that has guidance, `(batch, 3, bands)` (`SourceFilter.contrast`).
    """

    samples: Tensor
    pitch: Tensor
    seeds: Sequence[int]
    starts: Sequence[int]
    sampling: Sampling = field(default_factory=Sampling)
    gains: Tensor | None = None

    def uniforms(self, steps: int) -> Tensor:
        """Return numbers in [0, 1) to draw with: float32 `(batch, steps)`.

        The number of a sample depends on the seed and on its place in the utterance alone. Chunks that overlap draw
        with the same ones, which soon makes their samples the same.
        """
        drawn = [
            np.random.PCG64(seed).advance(start).random_raw(steps)
            for seed, start in zip(self.seeds, self.starts, strict=True)
        ]
        # The upper 24 of 64 bits: as many as a float32 has, so that none is rounded up to 1.
        return torch.from_numpy((np.stack(drawn) >> 40).astype(np.float32) * np.float32(2**-24)).to(self.samples.device)
