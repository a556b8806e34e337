"""Front ends: the samples themselves (the paper), or log-mel or MFCC frames."""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, loudness
from vqspeech.errors import ConfigError
from vqspeech.models.filterbank import Scale, make_cosines, make_mel_filters
from vqspeech.schema import Kinds, Range

_FFT, _HOP, _MELS, _CEPSTRA = 512, 160, 40, 13
_FLOOR = loudness.LEVEL - 38.0
"""Level of the white noise that is added to every mel energy (dBFS): what is fainter looks like silence."""
MARGIN = 10
"""Frames around speech that are seen, too (100 ms)."""
_WARPS = 11
Warp = Annotated[float, Range(0, 0.5, below=True)]
"""Share by which the frequency axis is stretched, at most; 0: never."""


def decode_mulaw(codes: Tensor) -> Tensor:
    """Return the waveform of µ-law levels: float32, same shape, in [-1, 1] (`audio.decode_mulaw`)."""
    curve = 2 * (codes.float() / (audio.LEVELS - 1)) - 1
    return curve.sign() * torch.expm1(curve.abs() * torch.log1p(torch.tensor(audio.LEVELS - 1.0))) / (audio.LEVELS - 1)


def dither_mulaw(codes: Tensor) -> Tensor:
    """Decode as `decode_mulaw`, with dither: each sample lies anywhere between its level and its neighbours.

    What is quieter than a level then sounds as noise, not as the constant of its level. The noise is the same at every
    call.
    """
    noise = torch.rand(codes.shape, generator=torch.Generator().manual_seed(0)).to(codes.device)
    return decode_mulaw((codes + noise - 0.5).clamp(0, audio.LEVELS - 1))


def encode_mulaw(waves: Tensor) -> Tensor:
    """Return the µ-law levels of waveforms: uint8, same shape (`audio.encode_mulaw`)."""
    curve = torch.log1p((audio.LEVELS - 1) * waves.abs().clamp(max=1.0)) / torch.log1p(torch.tensor(audio.LEVELS - 1.0))
    return ((waves.sign() * curve + 1) / 2 * (audio.LEVELS - 1) + 0.5).to(torch.uint8)


def to_waveforms(samples: Tensor) -> Tensor:
    """Return waveforms of int16 samples: float32, same shape, in [-1, 1)."""
    return samples.float() / loudness.SCALE


def find_speech_frames(waves: Tensor) -> Tensor:
    """Return which 10 ms frames hold speech of waveforms `(batch, time)` at `loudness.LEVEL`: bool `(batch, frames)`.

    Those whose power, smoothed by a running median, is above `loudness.LEVEL` - `loudness.RANGE`.
    """
    powers = waves.unflatten(1, (-1, _HOP)).square().mean(2)
    wide = F.pad(powers, (loudness.SMOOTHING // 2, loudness.SMOOTHING // 2))
    return wide.unfold(1, loudness.SMOOTHING, 1).median(2).values > loudness.db_to_power(
        loudness.LEVEL - loudness.RANGE
    )


class Waveform(nn.Module):
    """The 8-bit µ-law levels of the samples as numbers in [-1, 1], one channel, at the sample rate."""

    name, channels, hop, reach = "waveform", 1, 1, 0

    def __init__(self, warp: float = 0.0):
        super().__init__()

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the frequency axis is to be stretched."""
        if options["warp"]:
            raise ConfigError(f"{where}.warp is for log-mel and MFCC frames; there is no frequency axis in samples")

    def forward(self, samples: Tensor, mask: Tensor, statistics: Tensor | None = None) -> Tensor:
        """Return float32 `(batch, 1, time)` of samples int16 and mask bool, both `(batch, time)`."""
        return (((encode_mulaw(to_waveforms(samples)).float() * 2 + 1) / audio.LEVELS - 1) * mask)[:, None]


class LogMel(nn.Module):
    """40 log-mel energies every 10 ms (25 ms Hann window), each normalised over the speech of the utterance.

    Frames more than 100 ms from speech are masked, so that neither the length nor the noise of a pause has an effect.

    In training the frequency axis of each window is stretched by a random factor between 1 - `warp` and 1 + `warp`
    (vocal tract length perturbation; Jaitly and Hinton, 2013), while the decoder reconstructs the original speech. So
    the codes cannot encode the length of the speaker's vocal tract, and the decoder takes it from the speaker vector.
    """

    name, channels, hop, mels = "logmel", _MELS, _HOP, _MELS
    scale: Scale = "slaney"
    reach = _FFT + (loudness.SMOOTHING + 2 * MARGIN) * _HOP
    filters: Tensor
    warped_filters: Tensor
    window: Tensor
    floor: Tensor

    def __init__(self, warp: Warp = 0.0):
        super().__init__()
        self.warp = warp
        filters = make_mel_filters(_FFT // 2 + 1, self.mels, self.scale)
        self.register_buffer("filters", filters, persistent=False)
        warped = [stretch_filters(filters, 1 + step) for step in torch.linspace(-warp, warp, _WARPS).tolist()]
        self.register_buffer("warped_filters", torch.stack(warped), persistent=False)
        self.register_buffer("window", F.pad(torch.hann_window(400), (56, 56)), persistent=False)
        floor = loudness.db_to_power(_FLOOR) * self.window.square().sum() * filters.sum(0)
        self.register_buffer("floor", floor, persistent=False)

    def spectra(self, waves: Tensor) -> Tensor:
        """Return power spectra of waveforms `(batch, time)`: `(batch, time / 160, bins)`.

        Frame i is centred at sample 160 i + 80.
        """
        frames = F.pad(waves, ((_FFT - _HOP) // 2, (_FFT - _HOP) // 2)).unfold(-1, _FFT, _HOP)
        return torch.fft.rfft(frames * self.window).abs().square()

    def static(self, spectra: Tensor, filters: Tensor) -> Tensor:
        """Return the static channels before normalisation, here log mel energies: `(batch, channels, frames)`.

        Args:
            spectra: `(batch, frames, bins)`.
            filters: `(bins, mels)`, or `(batch, bins, mels)`, one set for each window.
        """
        return (spectra @ filters + self.floor).log().transpose(1, 2)

    def forward(self, samples: Tensor, mask: Tensor, statistics: Tensor | None = None) -> Tensor:
        """Return the normalised frames.

        Args:
            samples: int16 `(batch, time)`.
            mask: bool `(batch, time)`.
            statistics: Mean and deviation `(batch, 2, channels)`; None: frames are not normalised.

        Returns:
            float32 `(batch, channels, time / 160)`, zero past the mask and away from speech.
        """
        with torch.autocast(samples.device.type, enabled=False):
            wave = to_waveforms(samples) * mask
            spectra = self.spectra(wave)
            static = self.static(spectra, self.filters)
            if self.training and self.warp:
                chosen = torch.randint(_WARPS, (len(samples),), device=samples.device)
                warped = self.static(spectra, self.warped_filters[chosen])
                # The statistics are those of the utterance as it was: warping may not move the mean.
                static = warped + (static - warped).mean(2, keepdim=True)
            if statistics is not None:
                static = (static - statistics[:, 0, :, None]) / statistics[:, 1, :, None]
            seen = F.max_pool1d(find_speech_frames(wave).float()[:, None], 2 * MARGIN + 1, 1, MARGIN)
            return self.dynamic(static * seen * mask[:, None, :: self.hop])

    def dynamic(self, static: Tensor) -> Tensor:
        """Return all channels from the normalised static ones."""
        return static

    @torch.no_grad()
    def sums(self, samples: Tensor, start: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return sums over the frames of speech among frames `start` to `stop` of samples int16 `(time,)`.

        Returns:
            Sum and sum of squares, float64 `(channels,)`, and the number of frames.
        """
        wave = to_waveforms(samples)[None]
        static = self.static(self.spectra(wave), self.filters)[0, :, start:stop].double()
        static = static[:, find_speech_frames(wave)[0, start:stop]]
        return static.sum(1), static.square().sum(1), torch.tensor(static.shape[1])

    def statistics(self, samples: Tensor) -> Tensor:
        """Return mean and deviation of the static channels over the speech of an utterance.

        Args:
            samples: int16 `(time,)`.

        Returns:
            float32 `(2, channels)`.
        """
        return moments(*self.sums(samples))


class LogMel80(LogMel):
    """As `LogMel`, of 80 bands on the mel axis of HTK, 2595 log10(1 + f / 700)."""

    name, channels, mels = "logmel80", 80, 80
    scale = "htk"


class Cepstra(LogMel):
    """13 MFCC every 10 ms, normalised over the utterance."""

    name, channels = "cepstra", _CEPSTRA
    cosines: Tensor

    def __init__(self, warp: Warp = 0.0):
        super().__init__(warp)
        self.register_buffer("cosines", make_cosines(_CEPSTRA, _MELS), persistent=False)

    def static(self, spectra: Tensor, filters: Tensor) -> Tensor:
        """Return the cepstra before normalisation: `(batch, channels, frames)`."""
        return (super().static(spectra, filters).transpose(1, 2) @ self.cosines).transpose(1, 2)


class Mfcc(Cepstra):
    """13 MFCC every 10 ms, normalised over the utterance, with their first and second differences."""

    name, channels, reach = "mfcc", 3 * _CEPSTRA, Cepstra.reach + 8 * _HOP
    slope: Tensor

    def __init__(self, warp: Warp = 0.0):
        super().__init__(warp)
        # Regression over ±2 frames (HTK), scaled so that the differences have about the deviation of the statics.
        slope = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]) / 10
        self.register_buffer("slope", slope[None, None] * 4, persistent=False)

    def dynamic(self, static: Tensor) -> Tensor:
        """Return static channels, first and second differences."""

        def difference(x: Tensor) -> Tensor:  # (batch, channels, frames)
            return F.conv1d(F.pad(x, (2, 2)).flatten(0, 1)[:, None], self.slope).view(x.shape)

        first = difference(static)
        return torch.cat([static, first, difference(first)], 1)


def stretch_filters(filters: Tensor, factor: float) -> Tensor:
    """Return mel filters `(bins, mels)` with bin k moved to bin k · `factor`, each of the same sum."""
    at = (torch.arange(len(filters)) * factor).clamp(max=len(filters) - 1)
    low = at.long()
    part = (at - low)[:, None]
    moved = filters[low] * (1 - part) + filters[(low + 1).clamp(max=len(filters) - 1)] * part
    return moved * (filters.sum(0) / moved.sum(0).clamp(min=1e-8))


def moments(total: Tensor, square: Tensor, count: Tensor) -> Tensor:
    """Return mean and deviation from sum, sum of squares and count: float32 `(2, channels)`; of none 0 and near 0."""
    count = count.clamp(min=1)
    mean = total / count
    return torch.stack([mean, (square / count - mean**2).clamp(min=1e-4).sqrt()]).float()


FRONTENDS = {kind.name: kind for kind in (Waveform, LogMel, LogMel80, Cepstra, Mfcc)}
"""Front ends by name."""
FRONTEND = Kinds("frontend", FRONTENDS, label="front end")
"""The group of a configuration."""


def make_frontend(name: str, warp: float = 0.0) -> Waveform | LogMel:
    """Return the front end of that name; `warp` as in `LogMel`. Raise `ConfigError` where there is none."""
    return FRONTEND.make({"name": name, "warp": warp})
