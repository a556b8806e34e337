"""Corpus of images in an .npz file.

The arrays are `images` uint8 (n, height, width[, 3]), optionally `labels` (n,), and for video frames `episodes` and
`actions` (n,). Images are split by index, frames by episode: a tenth each is `dev` and `test`. Pickled objects are
refused.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from vqspeech.arrays import ArrayError, read_arrays
from vqspeech.errors import CorpusError
from vqspeech.vision.data.corpora import PARTS, Corpus, assign_part
from vqspeech.vision.data.images import Image


def read_corpus(path: str | Path) -> Corpus:
    """Read the images of an .npz file.

    Raises:
        CorpusError: The file cannot be read, or its arrays have other names, types or shapes.
    """
    path = Path(path)
    try:
        found = read_arrays(path, ("images", "labels", "episodes", "actions"))
    except ArrayError as error:
        raise CorpusError(f"{path}: not an .npz file of plain arrays ({error})") from None
    images = found.get("images")
    if images is None or images.dtype != np.uint8 or images.ndim not in (3, 4) or not len(images):
        raise CorpusError(
            f"{path}: no array 'images', uint8 (n, height, width, channels); save the images under that name"
        )
    images = images[..., None] if images.ndim == 3 else images
    for name, array in found.items():
        if name != "images" and (array.shape != images.shape[:1] or not np.issubdtype(array.dtype, np.integer)):
            raise CorpusError(f"{path}: '{name}' does not hold one integer for each of {len(images)} images")
        if name in ("labels", "actions") and array.min() < 0:
            raise CorpusError(f"{path}: '{name}' has negative numbers; count from 0")
    if ("episodes" in found) != ("actions" in found):
        raise CorpusError(f"{path}: frames need both 'episodes' and 'actions'; add the missing one, or leave out both")
    unit = found.get("episodes", np.arange(len(images)))
    parts = np.array([assign_part(str(one)) for one in unit])
    names = {key: [str(i) for i in range(int(found[key].max()) + 1)] if key in found else [] for key in _NAMED}
    present = [part for part in PARTS if (parts == part).any()]
    if "train" not in present:
        raise CorpusError(f"{path}: too few images or episodes to split; give more")
    note = f"{path}: {'episodes' if 'episodes' in found else 'images'} are split by number, a tenth each dev and test"
    made = {part: partial(_images, found, images, np.flatnonzero(parts == part)) for part in present}
    return Corpus(made, names["labels"], names["actions"], note)


_NAMED = ("labels", "actions")


def _images(found: dict[str, np.ndarray], images: np.ndarray, picks: np.ndarray) -> Iterator[Image]:
    for i in picks:
        frame = (int(found["episodes"][i]), int(found["actions"][i])) if "episodes" in found else (None, None)
        label = int(found["labels"][i]) if "labels" in found else -1
        yield Image(f"{i:06d}", images[i].transpose(2, 0, 1), label, *frame)
