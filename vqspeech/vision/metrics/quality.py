"""How near reconstructions are to the originals."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from vqspeech import extras
from vqspeech.errors import ImageError

WINDOW = 11
"""Pixels that SSIM looks at, in each direction."""
_EDGE, _TOGETHER = WINDOW // 2, 64


def psnr(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio of each image, uint8 `(n, channels, height, width)`, in dB: float64 `(n,)`, 10 log10
    of 255² over the mean square error; infinite where nothing differs."""
    errors = (originals.astype(np.float64) - others).reshape(len(originals), -1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255.0**2 / (errors**2).mean(1))


def require_ssim(size: Sequence[int]) -> ModuleType:
    """The package that SSIM comes from. Raises `MissingExtra` where it is not installed, `ImageError` for images of a
    `size` (height, width) below 11 pixels: better before long work than after."""
    if min(size) < WINDOW:
        raise ImageError(f"images of {tuple(size)} are too small for SSIM; take larger ones")
    return extras.import_extra("skimage.metrics", "vision")


def ssim(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Structural similarity of each image (Wang et al. 2004: Gaussian window of deviation 1.5), the mean over channels;
    uint8 `(n, channels, height, width)` → float64 `(n,)`, 1 where nothing differs.

    Raises as `require_ssim`.
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
