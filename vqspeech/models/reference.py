"""Speaker vectors of recordings, on which a decoder is conditioned."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.models.convnext import ConvNeXt
from vqspeech.models.filterbank import make_mel_filters
from vqspeech.models.live.fourier import power_spectra

MELS, HOP = 80, 160
_FFT, _WINDOW = 1024, 640
_FLOOR = 1e-4  # of the mean mel energy of speech (-40 dB): what is fainter looks like silence
_SPREAD = 1e-4  # least variance of a channel


class Reference(nn.Module):
    """Speaker vectors of speech: 80 log-mels, ConvNeXt blocks, attentive mean and deviation over time, a projection.

    Neither the level of a recording nor its pauses have an effect: energies are relative to the mean energy of its
    speech, each frame weighted by its energy, and frames more than 40 dB below are left out. Vectors have length
    √`voice`. Okabe, Koshinaka, Shinoda, "Attentive statistics pooling for deep speaker embedding", 2018.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, voice: int = 128, channels: int = 192, window: int = 5, dilations: tuple[int, ...] = (1, 2, 3)):
        super().__init__()
        self.input = nn.Conv1d(MELS, channels, window, padding=window // 2)
        self.blocks = nn.ModuleList(ConvNeXt(channels, window, dilation) for dilation in dilations)
        self.attention = nn.Sequential(nn.Linear(channels, 64), nn.Tanh(), nn.Linear(64, channels))
        self.output = nn.Linear(2 * channels, voice)
        filters = make_mel_filters(_FFT // 2 + 1, MELS, "htk")
        self.register_buffer("filters", filters / filters.sum(0).clamp(min=1e-8), persistent=False)
        pad = (_FFT - _WINDOW) // 2
        self.register_buffer("window", F.pad(torch.hann_window(_WINDOW), (pad, pad)), persistent=False)

    def features(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Return log mel energies relative to the level of speech, and which frames count.

        Args:
            waveforms: float32 `(batch, time)` at 16 kHz, at any level; what is silent does not count.

        Returns:
            float32 `(batch, MELS, frames)`, a frame every `HOP` samples, and bool `(batch, frames)`.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            waveforms = F.pad(waveforms.float(), (0, -waveforms.shape[1] % HOP))
            pad = (_FFT - HOP) // 2
            mels = power_spectra(F.pad(waveforms, (pad, pad)), self.window, HOP) @ self.filters
            energies = mels.mean(2)
            level = energies.square().sum(1) / energies.sum(1).clamp(min=1e-20)
            relative = mels / level.clamp(min=1e-20)[:, None, None]
            return (relative + _FLOOR).log().transpose(1, 2), energies > _FLOOR * level[:, None]

    def forward(self, waveforms: Tensor, noise: float = 0.0) -> Tensor:
        """Return speaker vectors `(batch, voice)` of waveforms `(batch, time)`.

        `noise` is the deviation of noise added to the features in training (nats).
        """
        features, counts = self.features(waveforms)
        if noise:
            features = features + noise * torch.randn_like(features)
        x = self.input(features / 3)
        for block in self.blocks:
            x = block(x)
        x = x.transpose(1, 2)  # (batch, frames, channels)
        weights = self.attention(x).float().masked_fill(~counts[:, :, None], -1e4).softmax(1)
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean[:, None]).square()).sum(1)
        vectors = self.output(torch.cat([mean, (variance + _SPREAD).sqrt()], 1)).float()
        return F.normalize(vectors, dim=1) * vectors.shape[1] ** 0.5


PIECE = 3.0
"""Seconds of the pieces that a recording is cut into: about what references are in training."""


def split_recording(waveform: np.ndarray) -> list[np.ndarray]:
    """Return a waveform `(time,)` cut evenly into pieces of at most `PIECE` seconds."""
    return np.array_split(waveform, max(1, -(-len(waveform) // int(PIECE * audio.RATE))))


def measure_similarity(vectors: Tensor) -> float:
    """Return how similar the least similar parts of some recordings are.

    Args:
        vectors: Speaker vectors of consecutive pieces, `(pieces, voice)`.

    Returns:
        The mean cosine between the pieces before a cut and those behind it, the least over all cuts; 1 for one piece.
    """
    units = F.normalize(vectors.float(), dim=1)
    cosines = units @ units.T
    return min((cosines[:cut, cut:].mean().item() for cut in range(1, len(units))), default=1.0)


def average_vectors(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return the speaker vector of several recordings: their weighted mean, rescaled to the length of all vectors.

    Args:
        vectors: `(recordings, voice)`.
        weights: `(recordings,)`.
    """
    return F.normalize(weights.float() @ vectors.float(), dim=0) * vectors.shape[1] ** 0.5
