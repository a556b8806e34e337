"""The source-filter decoder: pulses and noise through filters that a network predicts, trained through the waveform.

A voice is a band-limited pulse train at F0 and white noise, each through the spectral envelope that latents, pitch and
speaker vector give it. Frames of both are filtered in the frequency domain and overlap-added. All of it is
differentiable, so the loss compares spectra of waveforms.
Engel et al., "DDSP: differentiable digital signal processing", 2020; Wang, Takaki, Yamagishi, "Neural source-filter
waveform models", 2019.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, world
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.convnext import ConvNeXt, Dilations, run_blocks, state_size
from vqspeech.models.decoders.spectra import spectral_losses
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.frontend import to_waveforms
from vqspeech.models.reference import Reference
from vqspeech.schema import Positive, Range, Width

HOP = world.FRAME
"""Samples between frames of the filters (10 ms)."""
FFT, WINDOW = 1024, 640
"""Samples of a frame with the tail of its filter, and without."""
CAUSAL_WINDOW = 2 * HOP
"""Samples of a frame of a causal decoder."""
HIGHEST = audio.RATE / 2
"""Frequency below which all harmonics of the pulse train lie (Hz)."""
NOISE = 1 << 17
"""Samples of noise after which it repeats (8 s)."""
UNVOICED = 150.0
"""F0 (Hz) where a contour is never voiced, and that the network sees as 0."""
_PULSES_START, _NOISE_START = -3.0, -5.0  # log gains before anything is learned


class SourceFilter(nn.Module):
    """Waveforms of latents, pitch and speaker vectors.

    The speaker vector comes from a recording (`reference`), or is one of `speaker`, those of the named voices.
    `conditioning` and `temperature` are those of `models.conditioning`. Voices that `adapt` added have a number each
    beside those of a recording's vector (`models.voice`), `adapted` in all.

    A `causal` decoder is for streams: a frame depends on one latent of look-ahead and no later frame, its window is
    shorter, and the filters of pulses and noise are minimum-phase.
    """

    bands: Tensor
    window: Tensor
    noise: Tensor
    voice_option = ("adapted",)
    """Path of the option for the size of the speaker vector, beyond that of a recording."""
    uses_pitch = True
    uses_voicing = uses_formant = True
    """Pitch is 0 where the source is unvoiced; the decoder interpolates the contour."""
    guidance = 0.3
    """Of conversions, where none is given: more of it costs similarity and words on the dev set."""
    retrieval = 0.3
    """Likewise: with ten seconds of a voice, more of it costs words on the dev set."""

    def __init__(
        self,
        latents: int,
        hop: int,
        speakers: int,
        channels: Width = 256,
        window: Annotated[int, Range(1, 999, odd=True)] = 7,
        bands: Annotated[int, Range(2, 512)] = 64,
        voice: Width = 128,
        adapted: Annotated[int, Range(0, 65_536)] = 0,
        expansion: Annotated[int, Range(1, 64)] = 3,
        code_dilations: Dilations = (),
        frame_dilations: Dilations = (1, 2, 4, 1, 2, 4, 1, 1),
        conditioning: Literal["codes", "residual", "soft", "continuous"] = "codes",
        temperature: Positive = 1.0,
        causal: bool = False,
    ):
        super().__init__()
        if hop % HOP:
            raise ConfigError(f"decoder 'source_filter' needs codes of whole {HOP} samples, not of {hop}")
        self.hop, self.upsampling = hop, hop // HOP
        self.conditioning, self.temperature, self.causal = conditioning, temperature, causal
        self.reference = Reference(voice)
        self.speaker = nn.Embedding(speakers, voice + adapted)
        self.input = nn.Conv1d(latents, channels, 3, padding=1)
        self.pitch = nn.Linear(4, channels)
        slow, fast = (
            nn.ModuleList(
                ConvNeXt(channels, window, dilation, voice + adapted, expansion, causal) for dilation in dilations
            )
            for dilations in (code_dilations, frame_dilations)
        )
        self.slow_blocks, self.blocks = cast(Sequence[ConvNeXt], slow), cast(Sequence[ConvNeXt], fast)
        self.norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, 2 * bands)
        self.unvoiced = nn.Parameter(torch.zeros(bands))  # added to log gains of pulses where the source is unvoiced
        nn.init.zeros_(self.output.weight)
        with torch.no_grad():
            self.output.bias.copy_(torch.tensor([_PULSES_START] * bands + [_NOISE_START] * bands))
        self.register_buffer("bands", band_weights(bands, FFT // 2 + 1), persistent=False)
        width = CAUSAL_WINDOW if causal else WINDOW
        self.lead = 0 if causal else (FFT - WINDOW) // 2  # samples that a filter may ring before its frame
        self.register_buffer("window", torch.hann_window(width), persistent=False)
        self.register_buffer("noise", noise_samples(), persistent=False)

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where a causal decoder has blocks over codes."""
        if options["causal"] and options["code_dilations"]:
            raise ConfigError(f"{where}.code_dilations: a causal decoder has none; give {where}.frame_dilations")

    @property
    def voice_weights(self) -> list[Tensor]:
        """Weights that multiply the speaker vector, along dimension 1 of each."""
        blocks = [*self.slow_blocks, *self.blocks]
        return [block.condition.weight for block in blocks if block.condition is not None]

    def contrast(self, latents: Tensor, pitch: Tensor, voices: Tensor, others: Tensor) -> Tensor:
        """Return how one voice differs from another in the same speech, as this decoder has it.

        Latents say something of the voice of the source, so that the decoder makes less of the target's vector than
        it should. A multiple of this difference, added to the gains, goes further (guidance: Ho and Salimans 2022,
        2207.12598; here of means over time, which leave the phones alone).

        Args:
            latents: `(batch, dimension, latents)`, zero where there is no speech.
            pitch: As of `envelopes`.
            voices: Vectors of the target `(batch, voice)`.
            others: Vectors of the source.

        Returns:
            Differences of mean log gains `(batch, 3, bands)`: of the pulses in voiced frames, of the noise in voiced
            and in unvoiced ones; 0 where there are none.
        """
        pairs = zip(self.envelopes(latents, pitch, voices), self.envelopes(latents, pitch, others), strict=True)
        pulses, noise = (own - other for own, other in pairs)
        spoken = (latents != 0).any(1).repeat_interleave(self.upsampling, 1)
        voiced, unvoiced = spoken & (pitch > 0), spoken & (pitch <= 0)
        means = [
            (one * frames[:, None]).sum(2) / frames.sum(1, keepdim=True).clamp(min=1)
            for one, frames in ((pulses, voiced), (noise, voiced), (noise, unvoiced))
        ]
        return torch.stack(means, 1)

    @property
    def receptive_field(self) -> int:
        """Samples of source that one frame depends on, through its latents."""
        slow = 2 + sum(block.receptive_field - 1 for block in self.slow_blocks)
        return self.hop * (slow + 1) + HOP * sum(block.receptive_field - 1 for block in self.blocks) + FFT

    def envelopes(self, latents: Tensor, pitch: Tensor, voices: Tensor) -> tuple[Tensor, Tensor]:
        """Return log gains of the pulses and of the noise, `(batch, bands, frames)` each.

        Args:
            latents: `(batch, dimension, latents)`.
            pitch: log F0 `(batch, frames)`, 0 where unvoiced; `hop / HOP` frames a latent.
            voices: speaker vectors `(batch, voice)`, of recordings or of named voices.
        """
        voices = self._widened(voices)
        x = self.input(latents)
        for block in self.slow_blocks:
            x = block(x, voices)
        x = self._at_pitch(x, pitch, self.contour(pitch))
        for block in self.blocks:
            x = block(x, voices)
        return self._gains(x, pitch)

    def next_envelopes(
        self, latents: Tensor, pitch: Tensor, contour: Tensor, voices: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return `envelopes` of a causal decoder, of the next latents of a stream.

        Args:
            latents: `(batch, dimension, 1 + latents + 1)`, those before and behind among them.
            pitch: log F0 of their frames, 0 where unvoiced.
            contour: The same, continuous (`held`).
            voices: As in `envelopes`.
            state: `(batch, *state_shape)`, zero at the beginning.

        Returns:
            Both log gains and the next state.
        """
        x = self._at_pitch(F.conv1d(latents, self.input.weight, self.input.bias), pitch, contour)
        x, state = run_blocks(self.blocks, x, state, self._widened(voices))
        return *self._gains(x, pitch), state

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the state of a stream."""
        return self.input.out_channels, state_size(self.blocks)

    def contour(self, pitch: Tensor) -> Tensor:
        """Return log F0 `(batch, frames)` that goes on where it is 0."""
        return hold_pitch(pitch) if self.causal else interpolate_pitch(pitch)

    def _widened(self, voices: Tensor) -> Tensor:
        return F.pad(voices, (0, self.speaker.embedding_dim - voices.shape[1]))

    def _at_pitch(self, x: Tensor, pitch: Tensor, contour: Tensor) -> Tensor:
        """Return latents `(batch, channels, latents)` at the frame rate, plus pitch: `(batch, channels, frames)`."""
        x = x.repeat_interleave(self.upsampling, 2)
        voiced = (pitch > 0).to(pitch.dtype)
        height = contour - math.log(UNVOICED)
        heights = [voiced, voiced * height, voiced * height.square(), height]
        return x + self.pitch(torch.stack(heights, 2)).transpose(1, 2)

    def _gains(self, x: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        gains = self.output(self.norm(x.transpose(1, 2))).float().transpose(1, 2)
        pulses, noise = gains.chunk(2, 1)
        return pulses + self.unvoiced[:, None] * (pitch <= 0).float()[:, None], noise

    def sound(self, pulses: Tensor, noise: Tensor, pitch: Tensor, starts: Tensor, formant: float = 1.0) -> Tensor:
        """Return waveforms of log gains.

        Args:
            pulses: `(batch, bands, frames)`.
            noise: Likewise.
            pitch: Log F0 `(batch, frames)`, 0 where unvoiced.
            starts: Sample of its utterance at which each begins, int `(batch,)`: its place in the noise.
            formant: Factor by which the frequency axis of the gains is stretched.

        Returns:
            `(batch, frames * HOP)`.
        """
        bands = self.bands if formant == 1 else band_weights(len(self.bands), FFT // 2 + 1, formant).to(self.bands)
        source = pulse_train(self.contour(pitch))
        places = (starts[:, None] + torch.arange(source.shape[1], device=source.device)) % NOISE
        voiced = self._spectra(source) * minimum_phase(pulses.transpose(1, 2) @ bands)
        logs = noise.transpose(1, 2) @ bands
        filters = minimum_phase(logs) if self.causal else logs.exp()
        return self._overlapped(voiced + self._spectra(self.noise[places]) * filters)

    def forward(
        self,
        latents: Tensor,
        pitch: Tensor,
        voices: Tensor,
        starts: Tensor | None = None,
        formant: float = 1.0,
        gains: Tensor | None = None,
    ) -> Tensor:
        """Return waveforms float32 `(batch, latents * hop)`.

        Arguments are those of `envelopes` and `sound`; `gains` are added, as `contrast` has them.
        """
        pulses, noise = self.envelopes(latents, pitch, voices)
        if gains is not None:
            voiced = (pitch > 0)[:, None]
            pulses = pulses + gains[:, 0, :, None] * voiced
            noise = noise + torch.where(voiced, gains[:, 1, :, None], gains[:, 2, :, None])
        if starts is None:
            starts = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        with torch.autocast(latents.device.type, enabled=False):
            return self.sound(pulses, noise, pitch.float(), starts, formant)

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return the losses of `spectral_losses`, with the stored vectors of the speakers `(batch,)`.

        Raises:
            ConfigError: The batch has no WORLD frames, whose first channel is the pitch.
        """
        if batch.world is None:
            raise ConfigError("a batch has no WORLD frames for this decoder; run `vqspeech dump --world`")
        target = to_waveforms(batch.samples)
        made = self(latents, batch.world[:, 0], self.speaker(speakers))
        valid = torch.arange(target.shape[1], device=target.device) < batch.lengths[:, None]
        return spectral_losses(made * valid, target * valid)

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, streams: Streams) -> Tensor:
        """Return the speech of latents, float32 `(batch, time)`. Only the noise is random, and it is always the same.

        Args:
            latents: `(batch, dimension, latents)`.
            speakers: Indices of voices `(batch,)`, or speaker vectors `(batch, voice)`.
            streams: Pitch, starts and options.
        """
        starts = torch.tensor(streams.starts, device=latents.device)
        frames = latents.shape[2] * self.upsampling
        pitch = F.pad(streams.pitch.to(latents), (0, frames - streams.pitch.shape[1]))
        voices = speakers if speakers.is_floating_point() else self.speaker(speakers)
        return self(latents, pitch, voices, starts, streams.sampling.formant, streams.gains)

    def _spectra(self, waveforms: Tensor) -> Tensor:
        """Return spectra of windowed frames centred at samples 0, HOP, …: complex `(batch, frames, bins)`."""
        width = len(self.window)
        frames = F.pad(waveforms, (width // 2, width // 2 - HOP)).unfold(1, width, HOP) * self.window
        return torch.fft.rfft(F.pad(frames, (self.lead, FFT - width - self.lead)))

    def _overlapped(self, spectra: Tensor) -> Tensor:
        """Return the overlap-added waveforms of filtered frames: `(batch, frames * HOP)`."""
        frames, width = spectra.shape[1], len(self.window)
        # Hann windows add up to this much: there is one window in all, so that tails of filters stay.
        pieces = torch.fft.irfft(spectra, FFT).transpose(1, 2) / (width // (2 * HOP))
        length = (frames - 1) * HOP + FFT
        summed = F.fold(pieces, (1, length), (1, FFT), stride=(1, HOP))[:, 0, 0]
        return F.pad(summed, (0, HOP))[:, self.lead + width // 2 :][:, : frames * HOP]


def hold_pitch(pitch: Tensor) -> Tensor:
    """Return log F0 `(batch, frames)` with that of the last voiced frame in unvoiced ones, `UNVOICED` before any."""
    places = torch.arange(pitch.shape[1], device=pitch.device).expand_as(pitch)
    last = torch.where(pitch > 0, places, torch.full_like(places, -1)).cummax(1).values
    return torch.where(last >= 0, pitch.gather(1, last.clamp(min=0)), torch.full_like(pitch, math.log(UNVOICED)))


def interpolate_pitch(pitch: Tensor) -> Tensor:
    """Return log F0 `(batch, frames)` interpolated linearly through unvoiced frames, and held at both ends."""
    frames = pitch.shape[1]
    places = torch.arange(frames, device=pitch.device).expand_as(pitch)
    voiced = pitch > 0
    # Tensors, not numbers: those would be copied to the device, which cannot be captured.
    before = torch.where(voiced, places, torch.full_like(places, -1)).cummax(1).values
    after = torch.where(voiced, places, torch.full_like(places, frames)).flip(1).cummin(1).values.flip(1)
    first = torch.where(before >= 0, before, after).clamp(max=frames - 1)
    last = torch.where(after < frames, after, before).clamp(min=0)
    start, end = pitch.gather(1, first), pitch.gather(1, last)
    part = (places - first) / (last - first).clamp(min=1)
    line = start + part.clamp(0, 1) * (end - start)
    return torch.where(line > 0, line, torch.full_like(line, math.log(UNVOICED)))


def pulse_train(logs: Tensor) -> Tensor:
    """Return band-limited pulses of mean power 1 at F0, continuous in phase.

    The sum of cosines Σ cos(kφ) below `HIGHEST` in closed form; the one that comes or goes is faded.

    Args:
        logs: log F0 by frame, `(batch, frames)`.

    Returns:
        float32 `(batch, frames * HOP)`.
    """
    frames = logs.shape[1]
    steps = torch.arange(frames * HOP, device=logs.device)
    low = steps // HOP
    part = (steps % HOP) / HOP
    left, right = logs[:, low], logs[:, (low + 1).clamp(max=frames - 1)]
    f0 = (left + part * (right - left)).exp()
    return cosine_sum(f0, torch.cumsum(f0.double() / audio.RATE, 1))


def cosine_sum(f0: Tensor, cycles: Tensor) -> Tensor:
    """Return Σ cos(kφ) below `HIGHEST`, of mean power 1, where φ is so many cycles: the shape of f0 (Hz)."""
    phase = (cycles - cycles.round()).float() * (2 * math.pi)
    harmonics = (HIGHEST / f0 - 1).clamp(min=1)
    whole = harmonics.floor()
    sine = (phase / 2).sin()
    peak = sine.abs() < 1e-4
    ratio = ((whole + 0.5) * phase).sin() / (2 * torch.where(peak, torch.ones_like(sine), sine))
    cosines = torch.where(peak, whole + 0.5, ratio) - 0.5
    cosines = cosines + (harmonics - whole) * ((whole + 1) * phase).cos()
    return cosines * (2 / harmonics).sqrt()


def band_weights(bands: int, bins: int, stretch: float = 1.0) -> Tensor:
    """Return the weight of each band in each bin, `(bands, bins)`; gains between bands are interpolated.

    Bands are evenly spaced on a mel axis from 0 to 8 kHz. With a `stretch` s the bin at frequency f has the gain of f /
    s.
    """
    hertz = np.minimum(np.linspace(0, audio.RATE / 2, bins) / stretch, audio.RATE / 2)
    mels = 2595 * np.log10(1 + hertz / 700)
    places = mels / (2595 * np.log10(1 + audio.RATE / 2 / 700)) * (bands - 1)
    return torch.from_numpy(np.maximum(0, 1 - np.abs(places - np.arange(bands)[:, None]))).float()


def noise_samples() -> Tensor:
    """Return the noise of all voices: float32 `(NOISE,)` of power 1, the same everywhere."""
    return torch.from_numpy(np.random.Generator(np.random.PCG64(0)).standard_normal(NOISE, dtype=np.float32))


def minimum_phase(logs: Tensor) -> Tensor:
    """Return the minimum-phase filters of log gains `(batch, frames, bins)`: complex, the same shape.

    Their cepstrum is that of the gains folded onto positive time (Oppenheim and Schafer). A vocal tract is such a
    filter; one of zero phase rings before each pulse.
    """
    cepstrum = torch.fft.irfft(logs)
    half = cepstrum.shape[2] // 2
    folded = torch.cat([cepstrum[..., :1], 2 * cepstrum[..., 1:half], cepstrum[..., half : half + 1]], 2)
    return torch.fft.rfft(F.pad(folded, (0, half - 1))).exp()
