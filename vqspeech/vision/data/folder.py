"""Photographs in folders: FOLDER/CLASS/*.jpg, as ImageNet has them, or FOLDER/*.jpg without classes.

Where there are folders `train` and `val` (or `test`), those are the parts, with a tenth of `train` as `dev`; else a
tenth of the names each is `dev` and `test`. Of each
picture, with its short side brought to size, the middle square is taken.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vqspeech.errors import CorpusError, ImageError
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.vision.data.corpus import Corpus, part_of
from vqspeech.vision.data.images import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
_TEST = ("val", "test", "validation")


def corpus(path: str | Path, size: int = 128, nj: int = 1) -> Corpus:
    """The pictures below a folder as squares of `size` pixels, read by `nj` processes.

    Raises `CorpusError` where there are none. Pictures that cannot be read are named and skipped.
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
            part = root_part if root_part == "test" else part_of(name, test=0 if tests else 10)
            files.setdefault(part, []).append((name, file))
    if not files.get("train"):
        raise CorpusError(f"{path}: no pictures ({', '.join(ENDINGS)}) to learn from; give the folder they are in")
    classes = sorted({_class(name) for some in files.values() for name, _ in some} - {""})
    how = f"test: {tests.name}/, dev: a tenth of train/" if tests else "dev and test: a tenth each"
    found = Corpus({}, classes, told=f"{path}: {len(classes)} classes; {how}, by name; {size}x{size}")
    found.parts = {part: partial(_images, files[part], classes, size, nj, found.skipped) for part in sorted(files)}
    return found


def square(path: str | Path, size: int) -> np.ndarray:
    """The middle square of a picture, with the short side shrunk or stretched to `size`: uint8 `(3, size, size)`.

    Raises `ImageError` where it cannot be read.
    """
    from PIL import Image as Picture
    from PIL import ImageOps

    try:
        with Picture.open(path) as picture:
            picture.draft("RGB", (size, size))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        return np.asarray(ImageOps.fit(upright, (size, size), Picture.Resampling.LANCZOS)).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        raise ImageError(f"{path}: no picture that can be read ({error}); get it again, or take it away") from None


def _pictures(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(ENDINGS):
                yield Path(folder, name)


def _class(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


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
    return square(file[1], size)
