"""Small sets of images and of their codes."""

import numpy as np

from vqspeech.vision.data.codes import ImageCodes, write_codes
from vqspeech.vision.data.images import Image, ImageSet, write_images

SIZE = 6


def image_set(path, n=40, shape=(3, 8, 8), classes=("a", "b"), seed=0, frames=0) -> ImageSet:
    """Noise; with `frames`, episodes of so many."""
    random = np.random.default_rng(seed)

    def images():
        for i in range(n):
            frame = (i // frames, i % 2) if frames else (None, None)
            yield Image(f"{i:03d}", random.integers(0, 256, shape, np.uint8), i % 2 if classes else -1, *frame)

    return write_images(path, images(), classes, ("left", "right") if frames else ())


def image_codes(path, maps: np.ndarray, latents=1, sha256="5" * 64, classes=("a", "b"), frames=0) -> ImageCodes:
    """Those maps `(n, height, width)`, of images of two classes in turn."""
    images = image_set(path / "images", len(maps), (1, 2, 2), classes, frames=frames)
    described = {"codes": SIZE, "latents": latents, "model": "exp/m", "sha256": sha256}
    return write_codes(path / "codes", images, lambda pixels: maps, described, batch=len(maps))


def moving(n: int, side: int = 5, seed: int = 0) -> np.ndarray:
    """Maps whose rows are the row above moved on by one, by two in those of class 1, with a little noise."""
    random = np.random.default_rng(seed)
    found = random.integers(0, SIZE, (n, side, side))
    for i, one in enumerate(found):
        for row in range(1, side):
            kept = random.random(side) < 0.95
            one[row] = np.where(kept, (one[row - 1] + 1 + i % 2) % SIZE, one[row])
    return found
