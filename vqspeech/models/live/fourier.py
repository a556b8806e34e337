"""Spectra of frames: by FFT, or in graphs that are exported by products with matrices, which run everywhere."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def spectrum(frames: Tensor, length: int, bins: int | None = None) -> tuple[Tensor, Tensor]:
    """Return real and imaginary parts of the spectra of frames.

    Args:
        frames: `(…, samples)`.
        length: To which frames are padded with zeros.
        bins: The lowest bins of length / 2 + 1; None is all.

    Returns:
        `(…, bins)` each.
    """
    bins = bins or length // 2 + 1
    if torch.onnx.is_in_onnx_export():
        turns = np.arange(int(frames.shape[-1]))[:, None] * np.arange(bins) * (2 * np.pi / length)
        return frames @ _constant(np.cos(turns)), frames @ _constant(-np.sin(turns))
    found = torch.fft.rfft(frames, length)[..., :bins]
    return found.real, found.imag


def power_spectra(waveforms: Tensor, window: Tensor, hop: int) -> Tensor:
    """Return power spectra of windowed frames every `hop` samples: `(batch, time)` → `(batch, frames, bins)`."""
    length = len(window)
    if torch.onnx.is_in_onnx_export():  # of any number of frames
        turns = np.arange(length // 2 + 1)[:, None] * np.arange(length) * (2 * np.pi / length)
        kernels = _constant(np.concatenate([np.cos(turns), np.sin(turns)])) * window
        real, imaginary = F.conv1d(waveforms[:, None], kernels[:, None], stride=hop).transpose(1, 2).chunk(2, 2)
        return real.square() + imaginary.square()
    return torch.fft.rfft(waveforms.unfold(1, length, hop) * window).abs().square()


def inverse_spectrum(real: Tensor, imaginary: Tensor) -> Tensor:
    """Return the frames `(…, length)` of spectra, real and imaginary parts `(…, length / 2 + 1)`."""
    if torch.onnx.is_in_onnx_export():
        length = 2 * (int(real.shape[-1]) - 1)
        turns = np.arange(length // 2 + 1)[:, None] * np.arange(length) * (2 * np.pi / length)
        weights = np.full((length // 2 + 1, 1), 2 / length)
        weights[[0, -1]] /= 2
        return real @ _constant(np.cos(turns) * weights) - imaginary @ _constant(np.sin(turns) * weights)
    return torch.fft.irfft(torch.complex(real, imaginary))


def _constant(matrix: np.ndarray) -> Tensor:
    return torch.from_numpy(matrix).float()
