"""The live front end: log-mel frames normalised by the level and the channel of the speech so far."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech import loudness
from vqspeech.models.filterbank import make_mel_filters
from vqspeech.models.live import BLOCK
from vqspeech.models.live.fourier import spectrum

MELS, HOP, WINDOW = 80, 160, 400
"""Mel bands; samples from frame to frame (10 ms) and of a frame, which ends with its hop (25 ms)."""
FRAMES = BLOCK // HOP
_FFT = 512
_FLOOR = loudness.LEVEL - 38.0
"""Level of the white noise that is added to every mel energy (dBFS), as `frontend.LogMel` has it."""
LOWEST, LEVELS = -100, 140
"""Lowest level of the histogram (dBFS), and its steps of 1 dB."""
LOUD = 3.0
"""Frames that a level needs to count as the loudest: a click is not speech."""
_FORGETTING, _FORGETTING_PAUSES = 1000.0, 6000.0
"""Frames of speech (10 s), and of what is fainter (60 s), after which a frame counts 1/e for the level."""
_CHANNEL = 2000.0  # frames of speech after which a frame counts 1/e for mean and deviation (20 s)
_PRIOR = 50.0  # frames of the training data's mean and deviation


class LiveFrontend(nn.Module):
    """Log-mels of two frames per block, with mean 0 and deviation 1 over the speech so far.

    The sound is high-passed. Its level is the mean power of the frames less than `loudness.RANGE` below the loudest:
    powers are counted in steps of 1 dB, with exponential forgetting. Speech counts for mean and deviation of the bands,
    which begin as those of the training data. The state is that of the filter, the end of the sound, the counts, the
    sums.
    """

    highpass: Tensor
    window: Tensor
    filters: Tensor
    floor: Tensor
    steps: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("highpass", torch.from_numpy(_highpass_matrix()).float(), persistent=False)
        window = torch.hann_window(WINDOW)
        self.register_buffer("window", window, persistent=False)
        filters = make_mel_filters(_FFT // 2 + 1, MELS, "htk")
        self.register_buffer("filters", filters, persistent=False)
        floor = loudness.db_to_power(_FLOOR) * window.square().sum() * filters.sum(0)
        self.register_buffer("floor", floor, persistent=False)
        self.register_buffer("steps", torch.arange(LEVELS).float(), persistent=False)
        self.register_buffer("mean", torch.zeros(MELS))
        self.register_buffer("deviation", torch.ones(MELS))

    sizes = (1, 1, 2, WINDOW - HOP, LEVELS, 1, MELS, MELS)
    """Numbers of the parts of the state: whether it has begun, offset, filter, sound, counts of levels, of speech, sums
    of the bands and of their squares."""

    def forward(self, block: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return features of a block, its sound, and the next state.

        Args:
            block: float32 `(batch, BLOCK)` at 16 kHz.
            state: `(batch, sum(sizes))`.

        Returns:
            Features `(batch, FRAMES * MELS, 1)`; the high-passed sound `(batch, BLOCK)`; mean powers `(batch, FRAMES)`
            of its frames; gains `(batch, FRAMES)` by which its speech would be at `loudness.LEVEL`; the next state.
        """
        begun, offset, filtered, before, counts, speech, sums, squares = state.split(self.sizes, 1)
        offset = torch.where(begun > 0, offset, block[:, :1])  # as if the sound had always had it
        wave, filtered = (torch.cat([block - offset, filtered], 1) @ self.highpass).split([BLOCK, 2], 1)
        heard = torch.cat([before, wave], 1)
        powers = wave.view(-1, FRAMES, HOP).square().mean(2)
        features, gains = [], []
        for i in range(FRAMES):
            real, imaginary = spectrum(heard[:, i * HOP :][:, :WINDOW] * self.window, _FFT)
            energies = (real.square() + imaginary.square()) @ self.filters
            counts, gain, spoken = self._level(powers[:, i : i + 1], counts)
            logs = (energies * gain.square() + self.floor).log()
            kept = 1 - spoken / _CHANNEL
            speech, sums = speech * kept + spoken, sums * kept + spoken * logs
            squares = squares * kept + spoken * logs.square()
            mean = (sums + _PRIOR * self.mean) / (speech + _PRIOR)
            square = (squares + _PRIOR * (self.mean.square() + self.deviation.square())) / (speech + _PRIOR)
            deviation = (square - mean.square()).clamp(min=1e-2).sqrt()
            features.append((logs - mean) / deviation)
            gains.append(gain)
        after = [torch.ones_like(begun), offset, filtered, heard[:, -(WINDOW - HOP) :], counts, speech, sums, squares]
        return torch.cat(features, 1)[:, :, None], wave, powers, torch.cat(gains, 1), torch.cat(after, 1)

    def _level(self, power: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Count a frame of mean power `(batch, 1)`.

        Returns:
            The counts `(batch, LEVELS)`, the gain `(batch, 1)`, and 1 where the frame counts as speech, else 0 `(batch,
            1)`.
        """
        place = (10 / math.log(10) * power.clamp(min=1e-12).log() - LOWEST).clamp(0, LEVELS - 1)
        loudest = self._loudest(counts)
        spoken = (place >= loudest - loudness.RANGE).float()
        kept = 1 - 1 / _FORGETTING_PAUSES - spoken * (1 / _FORGETTING - 1 / _FORGETTING_PAUSES)
        counts = counts * kept + (1 - (place - self.steps).abs()).clamp(min=0)
        loudest = self._loudest(counts)
        chosen = counts * ((self.steps >= loudest - loudness.RANGE) & (self.steps <= loudest + 1))
        powers = 10 ** ((self.steps + LOWEST) / 10)
        level = (chosen * powers).sum(1, keepdim=True) / chosen.sum(1, keepdim=True).clamp(min=1e-6)
        heard = loudest > loudness.SILENCE - LOWEST
        gain = torch.where(heard, (loudness.db_to_power(loudness.LEVEL) / level.clamp(min=1e-12)).sqrt(), 1.0)
        return counts, gain, (place >= loudest - loudness.RANGE).float() * heard

    @staticmethod
    def _loudest(counts: Tensor) -> Tensor:
        """Return the highest level `(batch, 1)` that `LOUD` frames have reached, or all where there are fewer."""
        above = counts.flip(1).cumsum(1).flip(1)
        return (above >= above[:, :1].clamp(max=LOUD) * 0.999).float().sum(1, keepdim=True) - 1


def _highpass_matrix() -> np.ndarray:
    """Return the high-pass filter of a block as a matrix, float64 `(BLOCK + 2, BLOCK + 2)`.

    It maps the samples of a block and the state of the filter to filtered samples and the next state.
    """
    _, response, leave, moved, state = loudness.high_pass(BLOCK)
    return np.block([[response, moved], [leave, np.array(state).T]])
