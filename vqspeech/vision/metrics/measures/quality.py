"""Quality of reconstructions and of predicted frames: PSNR and SSIM."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from vqspeech import extras
from vqspeech.errors import ImageError

WINDOW = 11
"""Pixels of a side of the window of SSIM."""
_EDGE, _TOGETHER = WINDOW // 2, 64


def psnr(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return 10 log10 (255² / mean squared error) of each image, in dB: float64 `(n,)`, infinite if equal.

    Args:
        originals: uint8 `(n, channels, height, width)`.
        others: Likewise.
    """
    errors = (originals.astype(np.float64) - others).reshape(len(originals), -1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255.0**2 / (errors**2).mean(1))


def psnr_from_error(error: float) -> float:
    """Convert a mean squared error of 8-bit images to PSNR in dB; 99 for 0."""
    return min(99.0, float(10 * np.log10(255.0**2 / error))) if error > 0 else 99.0


def square_errors(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean squared error of images uint8 `(…, channels, height, width)`: float64 `(…,)`."""
    return ((originals.astype(np.float32) - others.astype(np.float32)) ** 2).mean((-3, -2, -1), dtype=np.float64)


def require_ssim(size: Sequence[int]) -> ModuleType:
    """Return the package that computes SSIM; call it before long computations.

    Raises:
        MissingExtra: It is not installed.
        ImageError: The `size` (height, width) of images is below 11 pixels.
    """
    if min(size) < WINDOW:
        raise ImageError(f"images of {tuple(size)} are too small for SSIM; take larger ones")
    return extras.import_extra("skimage.metrics", "vision")


def ssim(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the structural similarity of each image, the mean over channels: float64 `(n,)`, 1 for equal images.

    The window is Gaussian with a deviation of 1.5 pixels (Wang et al. 2004).

    Args:
        originals: uint8 `(n, channels, height, width)`.
        others: Likewise.

    Raises:
        MissingExtra: scikit-image is not installed.
        ImageError: The images are below 11 pixels.
    """
    similarity = require_ssim(originals.shape[2:]).structural_similarity
    options = {"data_range": 255, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "full": True}
    images, channels, height, width = originals.shape
    found = np.empty(images)
    for start in range(0, images, _TOGETHER):
        # On top of each other, as one tall image, of which only windows within one of them count: the package takes
        # several times as long for each by itself.
        part = slice(start, start + _TOGETHER)
        tall = [some[part].transpose(1, 0, 2, 3).reshape(channels, -1, width) for some in (originals, others)]
        each = similarity(*tall, use_sample_covariance=False, **options)[1].reshape(channels, -1, height, width)
        found[part] = each[..., _EDGE:-_EDGE, _EDGE:-_EDGE].mean((0, 2, 3))
    return found
