"""How near reconstructions are to the originals."""

import numpy as np

from vqspeech.errors import ImageError

WINDOW = 11
"""Pixels that SSIM looks at, in each direction."""


def psnr(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio of each image, uint8 `(n, channels, height, width)`, in dB: float64 `(n,)`, 10 log10
    of 255² over the mean square error; infinite where nothing differs."""
    errors = (originals.astype(np.float64) - others).reshape(len(originals), -1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255.0**2 / (errors**2).mean(1))


def ssim(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Structural similarity of each image (Wang et al. 2004: Gaussian window of deviation 1.5), the mean over channels;
    uint8 `(n, channels, height, width)` → float64 `(n,)`, 1 where nothing differs.

    Raises `ImageError` where the images are smaller than the window, 11 pixels.
    """
    if min(originals.shape[2:]) < WINDOW:
        raise ImageError(f"images of {originals.shape[2:]} are too small for SSIM; take larger ones")
    from vqspeech.extras import module

    similarity = module("skimage.metrics", "vision").structural_similarity
    options = {"data_range": 255, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5}
    return np.array(
        [
            similarity(one, other, use_sample_covariance=False, **options)
            for one, other in zip(originals, others, strict=True)
        ]
    )
