"""Little real data that needs no download."""

import numpy as np


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1797 handwritten digits of 8 × 8 pixels (Alpaydin and Kaynak 1998; they come with scikit-learn), float32
    `(digits, 64)` from 0 to 1: four of five to learn from, and every fifth, held out."""
    from sklearn.datasets import load_digits

    pixels = (np.asarray(load_digits(return_X_y=True)[0]) / 16).astype(np.float32)
    held = np.arange(len(pixels)) % 5 == 4
    return pixels[~held], pixels[held]
