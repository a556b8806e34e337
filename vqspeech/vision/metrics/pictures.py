"""Sheets of images as arrays of pixels, written as PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from vqspeech.files import replace_file

GAP = 2
"""Pixels between images."""


def tile_images(rows: Sequence[np.ndarray], scale: int = 1) -> np.ndarray:
    """Tile rows of images uint8 `(n, channels, height, width)`: uint8 `(height, width, 3)`.

    Args:
        rows: The rows, of one or three channels.
        scale: Width of a pixel.
    """
    longest = max(map(len, rows))
    lines = []
    for row in rows:
        images = np.repeat(np.repeat(row, scale, 2), scale, 3)
        images = np.repeat(images, 3, 1) if images.shape[1] == 1 else images
        padded = np.pad(images, ((0, longest - len(row)), (0, 0), (0, GAP), (0, GAP)), constant_values=255)
        lines.append(padded.transpose(2, 0, 3, 1).reshape(padded.shape[2], -1, 3))
    return np.concatenate(lines)


def tile_pairs(originals: Tensor, others: Tensor, columns: int = 8, scale: int = 1) -> np.ndarray:
    """Tile images uint8 `(n, channels, height, width)` in rows of `columns`, with the others below them."""
    both = (originals.numpy(), others.numpy())
    return tile_images([one[i : i + columns] for i in range(0, len(originals), columns) for one in both], scale)


def write_png(pixels: np.ndarray, path: str | Path) -> None:
    """Write pixels uint8 `(height, width, 3)` as PNG."""
    from PIL import Image

    with replace_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, optimize=True)
