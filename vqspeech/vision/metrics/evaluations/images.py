"""Sets of images: the nearest training images of samples, and what intervals over a set redraw."""

from typing import NamedTuple

import numpy as np

from vqspeech.metrics.measures.bootstrap import Redraw
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.data.table import ImageTable


class Nearest(NamedTuple):
    """Nearest images.

    Attributes:
        index: Index of the nearest image of the set, int64 `(n,)`.
        distance: Root mean square difference in levels, float64 `(n,)`.
    """

    index: np.ndarray  # pyright: ignore[reportIncompatibleMethodOverride]
    distance: np.ndarray


def find_nearest(images: np.ndarray, among: ImageSet, batch: int = 4096) -> Nearest:
    """Find the nearest image of a set, pixel by pixel, for each of uint8 `(n, channels, height, width)`."""
    wanted = images.reshape(len(images), -1).astype(np.float32) / 255
    index, least = np.zeros(len(images), np.int64), np.full(len(images), np.inf)
    for start in range(0, len(among), batch):
        known = among.pixels(slice(start, start + batch))
        flat = known.reshape(len(known), -1).astype(np.float32) / 255
        squares = (wanted**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * wanted @ flat.T  # (n, batch)
        best = squares.argmin(1)
        # Once more without the cancellation of large terms, so that a copy has the distance 0.
        exact = ((wanted - flat[best]).astype(np.float64) ** 2).mean(1)
        better = exact < least
        index[better], least[better] = best[better] + start, exact[better]
    return Nearest(index, 255 * np.sqrt(least))


def redraw_episodes(table: ImageTable) -> Redraw:
    """Return what intervals over the images of a table resample."""
    if table.episodes is None:
        return Redraw(None, "intervals redraw images")
    groups = [str(one) for one in table.episodes]
    return Redraw(groups, f"intervals redraw {len(set(groups))} episodes")
