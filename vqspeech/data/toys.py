"""Small data without a download: points of the plane to show codebooks on, and handwritten digits.

Points are float32 `(points, 2)`, either coordinate with mean 0 and deviation 1.
"""

from collections.abc import Callable

import numpy as np


def swiss_roll(points: int, seed: int) -> np.ndarray:
    """Return a spiral of one and a half turns with a little noise: Marsland's swiss roll (2009, chapter 10)."""
    random = np.random.default_rng(seed)
    angle = 1.5 * np.pi * (1 + 2 * random.random(points))
    roll = np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)
    return _standardise(roll + 0.3 * random.standard_normal((points, 2)))


def two_moons(points: int, seed: int) -> np.ndarray:
    """Return two interleaved half circles with a little noise."""
    random = np.random.default_rng(seed)
    angle, lower = np.pi * random.random(points), random.random(points) < 0.5
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    return _standardise(np.stack([x, y], 1) + 0.07 * random.standard_normal((points, 2)))


def unequal_mixture(points: int, seed: int) -> np.ndarray:
    """Return eight Gaussians on a circle, each half as frequent as the one before: the rarest is one point in 255."""
    random = np.random.default_rng(seed)
    shares = 0.5 ** np.arange(8)
    one = random.choice(8, points, p=shares / shares.sum())
    centres = 4 * np.stack([np.cos(np.pi * one / 4), np.sin(np.pi * one / 4)], 1)
    return _standardise(centres + 0.5 * random.standard_normal((points, 2)))


def _standardise(points: np.ndarray) -> np.ndarray:
    return ((points - points.mean(0)) / points.std(0)).astype(np.float32)


TOYS: dict[str, Callable[[int, int], np.ndarray]] = {
    "swiss roll": swiss_roll,
    "two moons": two_moons,
    "unequal mixture": unequal_mixture,
}
"""Toy distributions by name; each takes a number of points and a seed."""


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 1797 handwritten digits of 8 × 8 pixels (Alpaydin and Kaynak 1998), which come with scikit-learn.

    Returns:
        float32 `(digits, 64)` from 0 to 1: four of five for training, and every fifth, held out.
    """
    from sklearn.datasets import load_digits

    pixels = (np.asarray(load_digits(return_X_y=True)[0]) / 16).astype(np.float32)
    held = np.arange(len(pixels)) % 5 == 4
    return pixels[~held], pixels[held]
