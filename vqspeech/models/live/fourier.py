"""Spectra of frames: by FFT here, by products with matrices in graphs that are exported, which run everywhere."""

import numpy as np
import torch
from torch import Tensor


def spectrum(frames: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return real and imaginary parts, `(…, length / 2 + 1)`, of the spectra of frames `(…, samples)`, which are
    followed by zeros up to `length`."""
    if torch.onnx.is_in_onnx_export():
        turns = np.arange(frames.shape[-1])[:, None] * np.arange(length // 2 + 1) * (2 * np.pi / length)
        return frames @ _constant(np.cos(turns)), frames @ _constant(-np.sin(turns))
    found = torch.fft.rfft(frames, length)
    return found.real, found.imag


def frames_of(real: Tensor, imaginary: Tensor) -> Tensor:
    """Return the frames `(…, length)` of spectra, real and imaginary parts `(…, length / 2 + 1)`."""
    if torch.onnx.is_in_onnx_export():
        length = 2 * (real.shape[-1] - 1)
        turns = np.arange(length // 2 + 1)[:, None] * np.arange(length) * (2 * np.pi / length)
        weights = np.full((length // 2 + 1, 1), 2 / length)
        weights[[0, -1]] /= 2
        return real @ _constant(np.cos(turns) * weights) - imaginary @ _constant(np.sin(turns) * weights)
    return torch.fft.irfft(torch.complex(real, imaginary))


def _constant(matrix: np.ndarray) -> Tensor:
    return torch.from_numpy(matrix).float()
