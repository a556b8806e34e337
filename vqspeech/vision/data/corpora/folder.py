"""Corpus of pictures in folders: FOLDER/CLASS/*.jpg, as ImageNet has them, or FOLDER/*.jpg without classes.

If there are folders `train` and `val` (or `test`), those are the parts, and a tenth of `train` is `dev`; otherwise
a tenth of the names each is `dev` and `test`. Every picture is resized by its shorter side and cropped to the central
square.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vqspeech.errors import CorpusError, ImageError
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.vision.data.corpora import Corpus, assign_part
from vqspeech.vision.data.images import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
_TEST = ("val", "test", "validation")


def read_corpus(path: str | Path, size: int = 128, nj: int = 1) -> Corpus:
    """Find the pictures below a folder. Those that cannot be read are reported and skipped.

    Args:
        path: The folder.
        size: Pixels of a side.
        nj: Processes that read.

    Raises:
        CorpusError: There are no pictures.
    """
    path = Path(path)
    if not path.is_dir():
        raise CorpusError(f"{path}: no such folder; give the one that holds the pictures, or a folder for each class")
    tests = next((path / name for name in _TEST if (path / "train").is_dir() and (path / name).is_dir()), None)
    roots = {"train": path / "train", "test": tests} if tests else {"all": path}
    files: dict[str, list[tuple[str, Path]]] = {}
    for root_part, root in roots.items():
        for file in _pictures(root):
            name = file.relative_to(root).as_posix()
            part = root_part if root_part == "test" else assign_part(name, test=0 if tests else 10)
            files.setdefault(part, []).append((name, file))
    if not files.get("train"):
        raise CorpusError(f"{path}: no pictures ({', '.join(ENDINGS)}) to train on; give the folder they are in")
    classes = sorted({_class(name) for some in files.values() for name, _ in some} - {""})
    how = f"test: {tests.name}/, dev: a tenth of train/" if tests else "dev and test: a tenth each"
    found = Corpus({}, classes, summary=f"{path}: {len(classes)} classes; {how}, by name; {size}x{size}")
    found.parts = {part: partial(_images, files[part], classes, size, nj, found.skipped) for part in sorted(files)}
    return found


def read_square(path: str | Path, size: int) -> np.ndarray:
    """Read the central square of a picture, resized to `size`: uint8 `(3, size, size)`.

    Raises:
        ImageError: The picture cannot be read.
    """
    from PIL import Image as Picture
    from PIL import ImageOps

    try:
        with Picture.open(path) as picture:
            picture.draft("RGB", (size, size))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        return np.asarray(ImageOps.fit(upright, (size, size), Picture.Resampling.LANCZOS)).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        raise ImageError(f"{path}: the picture cannot be read ({error}); download it again, or remove it") from None


def _pictures(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(ENDINGS):
                yield Path(folder, name)


def _class(name: str) -> str:
    return name.split("/", 1)[0] if "/" in name else ""


def _images(
    files: Sequence[tuple[str, Path]], classes: Sequence[str], size: int, nj: int, skipped: Skipped
) -> Iterator[Image]:
    number = {name: i for i, name in enumerate(classes)}
    for (name, path), pixels, error in run_jobs(partial(_read, size), files, nj, "pictures"):
        if error is None:
            yield Image(name, pixels, number.get(_class(name), -1))
        else:
            skipped.add(str(path), error)


def _read(size: int, file: tuple[str, Path]) -> np.ndarray:
    return read_square(file[1], size)
