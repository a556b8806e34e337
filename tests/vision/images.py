"""Small sets of images that several tests share."""

from pathlib import Path

import numpy as np

from vqspeech.vision.data.images import Image, ImageSet, write_images


def blobs(count: int, size: int = 8, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Images uint8 `(count, channels, size, size)` of one bright spot each on a coloured ground: there is something to
    learn in them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centres = random.uniform(0, size, (count, 2, 1, 1))
    spots = np.exp(-((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2) / 4)[:, None]
    ground = random.choice([40, 160], (count, channels, 1, 1))
    return (ground + 80 * spots + random.integers(0, 4, (count, channels, size, size))).astype(np.uint8)


def image_files(path: Path, count: int, size: int = 8, channels: int = 3, seed: int = 0) -> ImageSet:
    """A set of such images in three classes."""
    pixels = blobs(count, size, channels, seed)
    return write_images(path, (Image(f"i{seed}-{i}", one, i % 3) for i, one in enumerate(pixels)), ["a", "b", "c"])
