"""Mel filters and the cosines of a DCT: matrices that turn power spectra into bands, and bands into cepstra."""

import math
from typing import Literal

import torch
from torch import Tensor

from vqspeech import audio

Scale = Literal["htk", "slaney"]
_LOWEST = 20.0  # Hz
_KNEE = 1000.0  # Hz, up to which Slaney's scale is linear
_LINEAR = 200.0 / 3  # Hz a mel below it
_RATIO = math.log(6.4) / 27  # log Hz a mel above it


def make_mel_filters(bins: int, bands: int, scale: Scale = "slaney") -> Tensor:
    """Return triangular filters from 20 Hz to 8 kHz that overlap by half on the mel scale: float32 `(bins, bands)`.

    Args:
        bins: Bins of the power spectra of sounds at 16 kHz, of an FFT of 2 (bins - 1) samples.
        bands: Filters.
        scale: "htk" is mel = 2595 log10(1 + f / 700) and filters with a peak of 1; "slaney" is linear up to 1 kHz and
            logarithmic above (Auditory Toolbox, 1998) and filters with an area of 1 Hz.
    """
    mels = torch.linspace(_hz_to_mel(_LOWEST, scale), _hz_to_mel(audio.RATE / 2, scale), bands + 2)
    edges = _mel_to_hz(mels, scale)
    rises = edges[None] - torch.linspace(0, audio.RATE // 2, bins)[:, None]
    widths = edges.diff()
    filters = torch.minimum(-rises[:, :-2] / widths[:-1], rises[:, 2:] / widths[1:]).clamp(min=0)
    return filters * (2 / (edges[2:] - edges[:-2])) if scale == "slaney" else filters


def make_cosines(coefficients: int, bands: int) -> Tensor:
    """Return the first vectors of the orthonormal DCT-II, which turn log bands into cepstra.

    Returns:
        float32 `(bands, coefficients)`.
    """
    turns = math.pi / bands * (torch.arange(float(bands)) + 0.5)
    cosines = torch.cos(turns * torch.arange(float(coefficients))[:, None])
    cosines[0] *= math.sqrt(0.5)
    return (cosines * math.sqrt(2 / bands)).T


def _hz_to_mel(frequency: float, scale: Scale) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + frequency / 700)
    return frequency / _LINEAR if frequency < _KNEE else _KNEE / _LINEAR + math.log(frequency / _KNEE) / _RATIO


def _mel_to_hz(mels: Tensor, scale: Scale) -> Tensor:
    if scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    above = _KNEE * torch.exp(_RATIO * (mels - _KNEE / _LINEAR))
    return torch.where(mels < _KNEE / _LINEAR, _LINEAR * mels, above)
