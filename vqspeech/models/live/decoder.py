"""The live decoder: a causal source-filter decoder in blocks, with the level and the pauses of the source restored.

It computes for a stream what `SourceFilter` computes for a whole recording.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, loudness
from vqspeech.models.decoders.source_filter import (
    CAUSAL_WINDOW,
    FFT,
    HOP,
    NOISE,
    UNVOICED,
    SourceFilter,
    band_weights,
    cosine_sum,
    noise_samples,
)
from vqspeech.models.live import BLOCK
from vqspeech.models.live.fourier import inverse_spectrum, spectrum
from vqspeech.models.live.frontend import FRAMES

BEHIND = BLOCK + HOP
"""Samples by which what is made of a latent begins before the latent's block: its frames wait for the next latent."""
_BEFORE = loudness.SMOOTHING - 1  # frames whose powers are kept
_PULSES = CAUSAL_WINDOW - HOP  # samples of the sources that are kept


class LiveDecoder(nn.Module):
    """Sound of latents that come `delay` blocks late, a block at a time.

    The state is the number of blocks so far, the latents before, the pitch of the last frame and its contour, what the
    blocks of the network see, the last of the pulses and the sound to come, powers of the source, gate and gain where
    the sound ended, phase of the pulses (cycles) and place in the noise.
    """

    gains: Tensor
    phases: Tensor
    window: Tensor
    noise: Tensor

    def __init__(self, decoder: SourceFilter, delay: int):
        super().__init__()
        self.decoder, self.delay = decoder, delay
        self.register_buffer("window", decoder.window.clone(), persistent=False)
        self.register_buffer("noise", noise_samples(), persistent=False)
        self.register_buffer("gains", torch.empty(0), persistent=False)
        self.register_buffer("phases", torch.empty(0), persistent=False)
        self.stretch(1.0)

    def stretch(self, formant: float) -> None:
        """Stretch the frequency axis of the gains by the factor `formant` from now on."""
        bands = band_weights(len(self.decoder.bands), FFT // 2 + 1, formant).double().numpy()
        # The phase of a filter of least delay is linear in its log gains, as `minimum_phase` makes it.
        cepstra = np.fft.irfft(bands)
        half = FFT // 2
        folded = np.concatenate([cepstra[:, :1], 2 * cepstra[:, 1:half], cepstra[:, half : half + 1]], 1)
        logs = np.fft.rfft(folded, FFT)
        self.gains, self.phases = (torch.from_numpy(part).float() for part in (logs.real.copy(), logs.imag.copy()))

    def initial_state(self, batch: int = 1) -> list[Tensor]:
        """Return the state of streams before their first block."""
        decoder = self.decoder
        shapes = [
            (1,), (decoder.input.in_channels, 2), (2,), decoder.state_shape, (_PULSES + FFT - BLOCK + HOP,), (_BEFORE,),
            (2,),
        ]  # fmt: skip
        state = [torch.zeros(batch, *shape) for shape in shapes]
        return [*state, torch.zeros(batch, 2, dtype=torch.float64)]

    states = ("blocks", "latents", "pitch", "seen", "sound", "powers", "level", "counters")
    """Names of the parts of the state."""

    def forward(
        self, latent: Tensor, pitch: Tensor, voices: Tensor, powers: Tensor, gain: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the next block of sound.

        At block k the latent is that of block j = k - `delay`.

        Args:
            latent: `(batch, dimension, 1)`.
            pitch: Log F0 `(batch, FRAMES)` of frames 2j - 1 and 2j, 0 where unvoiced.
            voices: Speaker vectors `(batch, voice)`.
            powers: Of frames 2j + 4 and 2j + 5 of the source, as `LiveFrontend` gives them: `(batch, FRAMES)`.
            gain: By which the source's speech would be at `loudness.LEVEL`: `(batch, 1)`.
            state: As `initial_state` or the last call returned it.

        Returns:
            `(batch, BLOCK)`, the samples that begin `BEHIND` before block j, zeros before the stream begins; the state.
        """
        blocks, latents, before, seen, sound, heard, level, counters = state
        begun = (blocks > self.delay).float()
        latents = torch.cat([latents, latent * (blocks >= self.delay)[:, :, None]], 2)
        last, height = before.chunk(2, 1)
        first, second = pitch.chunk(2, 1)
        first = first * begun
        heights = [height]
        for one in (first, second):
            heights.append(torch.where(one > 0, one - math.log(UNVOICED), heights[-1]))
        contour = torch.cat(heights, 1) + math.log(UNVOICED)  # (batch, FRAMES + 1)
        shown = torch.cat([last, first], 1)
        pulses, noise, seen = self.decoder.next_envelopes(latents, shown, contour[:, :FRAMES], voices, seen)
        spoken, sound, counters = self._spoken(pulses, noise, contour, sound, counters)
        spoken, heard, level = self._levelled(spoken * begun, torch.cat([heard, powers], 1), gain, level)
        # Before the first latent there is nothing to go on from.
        pitch = torch.cat([second, heights[-1]], 1) * (blocks >= self.delay)
        after = [(blocks + 1).clamp(max=self.delay + 1), latents[:, :, 1:], pitch, seen * begun[:, :, None]]
        return spoken, [*after, sound * begun, heard, level, counters * begun]

    def _spoken(
        self, pulses: Tensor, noise: Tensor, contour: Tensor, sound: Tensor, counters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return sound `(batch, BLOCK)` of log gains `(batch, bands, FRAMES)` and contour, and the next states.

        These are pulses and sound that are kept; phase (cycles) and place in the noise.
        """
        phase, place = counters.chunk(2, 1)
        train, phase = _pulses(contour, phase)
        train = torch.cat([sound[:, :_PULSES], train], 1)
        places = place + torch.arange(-_PULSES, BLOCK, dtype=torch.float64, device=place.device)
        hiss = self.noise[torch.remainder(places, NOISE).long()] * (places >= 0)
        # (batch, FRAMES, samples or bins) of either source
        sources = [
            torch.stack([one[:, i * HOP :][:, :CAUSAL_WINDOW] for i in range(FRAMES)], 1) for one in (train, hiss)
        ]
        real, imaginary = torch.zeros(()), torch.zeros(())
        for source, logs in zip(sources, (pulses.transpose(1, 2), noise.transpose(1, 2)), strict=True):
            cosine, sine = spectrum(source * self.window, FFT)
            gains, phases = (logs @ self.gains).exp(), logs @ self.phases
            even, odd = gains * phases.cos(), gains * phases.sin()
            real, imaginary = real + cosine * even - sine * odd, imaginary + cosine * odd + sine * even
        frames = inverse_spectrum(real, imaginary).unbind(1)
        whole = F.pad(sound[:, _PULSES:], (0, BLOCK))
        for i, frame in enumerate(frames):
            spare = whole.shape[1] - FFT - i * HOP
            whole = whole + F.pad(frame, (i * HOP, spare))
        kept = torch.cat([train[:, BLOCK:], whole[:, BLOCK:]], 1)
        return whole[:, :BLOCK], kept, torch.cat([phase, torch.remainder(place + BLOCK, float(NOISE))], 1)

    def _levelled(self, spoken: Tensor, powers: Tensor, gain: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give speech the level of its source, and no more power in pauses than that has, as `loudness.restore` does.

        Args:
            spoken: `(batch, BLOCK)`.
            powers: Of frames of the source `(batch, _BEFORE + FRAMES)`, those of `spoken` in their middle.
            gain: `(batch, 1)`.
            level: Gate and gain where it begins `(batch, 2)`; 0 at the beginning of a stream.

        Returns:
            The speech; the powers that are kept; gate and gain where it ends.
        """
        gate, past = level.chunk(2, 1)
        past = torch.where(past > 0, past, gain)
        made = spoken.view(-1, FRAMES, HOP).square().mean(2)
        contours = []
        ramp = torch.arange(HOP, device=spoken.device) / HOP
        for i in range(FRAMES):
            smooth = powers[:, i : i + loudness.SMOOTHING].topk(loudness.SMOOTHING // 2 + 1, 1).values[:, -1:]
            there = powers[:, i + loudness.SMOOTHING // 2 :][:, :1]
            silent = smooth * gain.square() < loudness.db_to_power(loudness.LEVEL - loudness.RANGE)
            quiet = (there * gain.square() / made[:, i : i + 1].clamp(min=1e-12)).clamp(max=1.0).sqrt()
            after = torch.where(silent, quiet, 1.0)
            contours.append(gate + ramp * (after - gate))
            gate = after
        ramp = torch.arange(BLOCK, device=spoken.device) / BLOCK
        spoken = spoken * torch.cat(contours, 1) / (past + ramp * (gain - past))
        return spoken, powers[:, FRAMES:], torch.cat([gate, gain], 1)


def _pulses(contour: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Return pulses of a block, as `source_filter.pulse_train`, and the phase at its end.

    Args:
        contour: Log F0 of the frames of the block and the next one, `(batch, FRAMES + 1)`.
        phase: At the beginning (cycles, float64).

    Returns:
        `(batch, BLOCK)`, and the phase.
    """
    part = torch.arange(HOP, device=contour.device) / HOP
    pairs = [(contour[:, i : i + 1], contour[:, i + 1 : i + 2]) for i in range(FRAMES)]
    f0 = torch.cat([left + part * (right - left) for left, right in pairs], 1).exp()
    cycles = phase + torch.cumsum(f0.double() / audio.RATE, 1)
    return cosine_sum(f0, cycles), cycles[:, -1:] - cycles[:, -1:].round()
