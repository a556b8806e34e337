"""The pitch tracker of a stream: a small network over the periodicity of the sound.

A frame's window is correlated with itself at the periods of `TONES`, once as it is and once with its spectrum
flattened, which makes peaks sharper (Tolonen and Karjalainen, 2000); both are relative to its energy, so level has no
effect. Causal convolutions over frames predict the tone, and whether there is one.
"""

import math
from collections.abc import Sequence
from typing import Annotated, cast

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech import audio, world
from vqspeech.models.convnext import ConvNeXt, Dilations, run_blocks, state_size
from vqspeech.models.live import BLOCK
from vqspeech.models.live.fourier import spectrum
from vqspeech.models.live.frontend import FRAMES, HOP
from vqspeech.pitch import FARTHEST
from vqspeech.schema import Range, Width

WINDOW = 1024
"""Samples of the window around a frame (64 ms)."""
CENTS = 25.0
"""From tone to tone."""
TONES = world.LOWEST_F0 * 2 ** (np.arange(round(1200 / CENTS * math.log2(11)) + 1) * CENTS / 1200)
"""Candidates of F0 (Hz)."""
_FFT, _BINS = 2048, 360  # frequencies up to 2.8 kHz
_NEAR = 3  # tones on either side of the likeliest that are averaged
PAST = WINDOW // 2 + 3 * HOP
"""Samples of the sound that are kept: the windows about frames 2k - 3 and 2k - 2 lie in them and block k."""
WAIT = 2
"""Look-ahead of the network (frames): at block k it predicts frames 2k - 5 and 2k - 4."""


class PitchTracker(nn.Module):
    """Log F0 of frames centred at samples 0, `HOP`, …, 0 where unvoiced, two per block."""

    window: Tensor
    correlation: Tensor
    logs: Tensor

    def __init__(
        self,
        channels: Width = 56,
        window: Annotated[int, Range(1, 999, odd=True)] = 5,
        dilations: Dilations = (1, 2, 4),
        expansion: Annotated[int, Range(1, 64)] = 3,
    ):
        super().__init__()
        shape = np.hanning(WINDOW + 1)[:-1]
        self.register_buffer("window", torch.from_numpy(shape).float(), persistent=False)
        lags = audio.RATE / TONES
        spread = np.correlate(shape, shape, "full")[WINDOW - 1 :]
        spread = np.interp(lags, np.arange(WINDOW), spread) / spread[0]
        weights = np.where(np.arange(_BINS) > 0, 2.0, 1.0)[:, None]
        cosines = weights * np.cos(np.arange(_BINS)[:, None] * lags * (2 * np.pi / _FFT)) / spread
        self.register_buffer("correlation", torch.from_numpy(cosines).float(), persistent=False)
        self.register_buffer("logs", torch.from_numpy(np.log(TONES)).float(), persistent=False)
        self.input = nn.Conv1d(2 * len(TONES), channels, 1)
        blocks = [ConvNeXt(channels, window, dilation, expansion=expansion, causal=True) for dilation in dilations]
        self.blocks = cast(Sequence[ConvNeXt], nn.ModuleList(blocks))
        self.norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, len(TONES) + 1)

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the network's state."""
        return self.input.out_channels, state_size(self.blocks)

    def periodicity(self, windows: Tensor) -> Tensor:
        """Return the periodicity of windows at each tone, 1 where a window repeats exactly.

        Args:
            windows: `(batch, frames, WINDOW)`.

        Returns:
            `(batch, frames, 2 * len(TONES))`.
        """
        real, imaginary = spectrum(windows * self.window, _FFT, _BINS)
        power = real.square() + imaginary.square()
        parts = []
        for strengths in (power, (power + 1e-12).sqrt()):
            energy = 2 * strengths.sum(2, keepdim=True) - strengths[:, :, :1]
            parts.append(strengths @ self.correlation / energy.clamp(min=1e-9))
        return torch.cat(parts, 2)

    def scores(self, periodicity: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return scores of tones, those of the frame `WAIT` before each, and the next state.

        Args:
            periodicity: `(batch, frames, 2 * len(TONES))`.
            state: `(batch, *state_shape)`; None is the beginning.

        Returns:
            Log-likelihoods `(batch, frames, len(TONES) + 1)`, the last that the frame is voiced; the state.
        """
        x = self.input(periodicity.transpose(1, 2))
        if state is None:
            state = torch.zeros(len(x), *self.state_shape, dtype=x.dtype, device=x.device)
        x, state = run_blocks(self.blocks, x, state)
        return self.output(self.norm(x.transpose(1, 2))), state

    def decode_pitch(self, scores: Tensor) -> Tensor:
        """Return log F0 `(batch, frames)` of scores: the mean around the likeliest tone; 0 where unvoiced."""
        tones, voiced = scores[:, :, :-1], scores[:, :, -1]
        apart = (torch.arange(len(self.logs), device=scores.device) - tones.argmax(2, keepdim=True)).abs()
        weights = (tones - tones.amax(2, keepdim=True)).exp() * (apart <= _NEAR)
        logs = (weights * self.logs).sum(2) / weights.sum(2)
        return torch.where(voiced > 0, logs, torch.zeros_like(logs))

    def forward(self, wave: Tensor, past: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log F0 `(batch, FRAMES)` of frames 2k - 5 and 2k - 4, the sound that is kept, and the next state.

        Args:
            wave: Block k of high-passed sound, `(batch, BLOCK)`.
            past: The sound before it, `(batch, PAST)`.
            state: `(batch, *state_shape)`.
        """
        heard = torch.cat([past, wave], 1)
        windows = torch.stack([heard[:, i * HOP :][:, :WINDOW] for i in range(FRAMES)], 1)
        scores, state = self.scores(self.periodicity(windows), state)
        return self.decode_pitch(scores), heard[:, BLOCK:], state


class PitchCarrier(nn.Module):
    """Moves a melody into the range of a voice, by the running mean of its voiced frames."""

    _FORGETTING = 2000.0  # voiced frames after which one counts 1/e (20 s)

    def forward(self, logs: Tensor, target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return log F0 in the range of the voice, and the next state.

        Args:
            logs: Log F0 `(batch, frames)` of the source, 0 where unvoiced.
            target: `(batch, 4)`: median and deviation of the voice's log F0, 0 where it is never voiced; what is added;
                1 where the melody stays in its range, else 0.
            state: `(batch, 2)`, voiced frames so far and the sum of their log F0.
        """
        median, deviation, shift, keep = target.chunk(4, 1)
        count, total = state.chunk(2, 1)
        found = []
        for one in logs.split(1, 1):
            voiced = (one > 0).float()
            kept = 1 - voiced / self._FORGETTING
            count, total = count * kept + voiced, total * kept + one
            apart = one - total / count.clamp(min=1e-6)
            moved = median + torch.maximum(torch.minimum(apart, FARTHEST * deviation), -FARTHEST * deviation)
            found.append(torch.where(keep > 0, one, moved * (median > 0)))
        moved = torch.cat(found, 1)
        return torch.where((logs > 0) & (moved > 0), moved + shift, torch.zeros_like(logs)), torch.cat(
            [count, total], 1
        )
