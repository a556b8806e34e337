"""Codes of a set of images, memory-mapped: the training data of priors over codes.

    CODES/index.json    version, number of images, rows and columns of codes, size of the codebook, latents a place,
                        names of classes and actions, the model, hash of its encoder and codebook
    CODES/images.tsv    table of the images, see `table`
    CODES/codes.npy     uint16 (images, height, width)

The latents of a place lie side by side in its row: those of place (i, j) are the codes (i, j * latents + l).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from vqspeech.arrays import ArrayError, map_array
from vqspeech.errors import ConfigError, ImageError
from vqspeech.files import replace_file, write_text
from vqspeech.progress import track
from vqspeech.schema import Count, Options, Range
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.data.table import ImageTable, read_table

FORMAT, VERSION = "vqspeech-image-codes", 1


@dataclass(frozen=True)
class ImageCodes:
    """Codes of a set of images.

    Attributes:
        path: Their folder.
        codes: uint16 `(images, height, width)`, from 0 to `size` - 1.
        table: Table of the images.
        classes: Names of the classes.
        actions: Names of the actions.
        size: Number of codes in the codebook.
        latents: Codes a place.
        dimensions: Pixels times channels of an image.
        model: The model the codes come from.
        sha256: Hash of its encoder and codebook.
    """

    path: Path
    codes: np.ndarray
    table: ImageTable
    classes: Sequence[str]
    actions: Sequence[str]
    size: int
    latents: int
    dimensions: int
    model: str
    sha256: str

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the table and the codes."""
        parts = [self.table.fingerprint, str(self.codes.shape), *self.classes, "", *self.actions]
        digest = hashlib.sha256("\n".join(parts).encode())
        for start in range(0, len(self), 4096):
            digest.update(np.ascontiguousarray(self.codes[start : start + 4096], np.uint16).tobytes())
        return digest.hexdigest()

    @property
    def description(self) -> dict[str, Any]:
        """What the index says of the codes: {"codes", "latents", "model", "sha256"}."""
        return {"codes": self.size, "latents": self.latents, "model": self.model, "sha256": self.sha256}


@dataclass(frozen=True)
class _Index:
    images: Count
    codes: Annotated[int, Range(1, 1 << 16)]
    latents: Count
    dimensions: Count
    model: str
    sha256: str
    classes: Sequence[str]
    actions: Sequence[str]


_INDEX = Options(_Index, allow_unknown=True)


def read_codes(path: str | Path) -> ImageCodes:
    """Open the codes in a folder.

    Raises:
        ImageError: They are missing, incomplete, damaged, or of another version.
    """
    path = Path(path)
    try:
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        if index["format"] != FORMAT or index["version"] != VERSION:
            raise ImageError(f"{path}: not codes of version {VERSION}; make them with: vqspeech vision encode")
        codes = map_array(path / "codes.npy")
        index = _INDEX.check("index.json", index)
        numbers = [index[key] for key in ("codes", "latents", "dimensions", "images")]
        texts = [index[key] for key in ("model", "sha256")]
        names = [list(index[key]) for key in ("classes", "actions")]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(
            f"{path}: no complete codes ({Path(error.filename).name} is missing); make them: vqspeech vision encode"
        ) from None
    except (ValueError, KeyError, TypeError, OSError, RecursionError, ConfigError, ArrayError) as error:
        raise ImageError(f"{path}: the codes are damaged ({error}); encode again") from None
    size, latents, dimensions, images = numbers
    table = read_table(path)
    whole = codes.dtype == np.uint16 and codes.ndim == 3 and codes.size and not codes.shape[2] % latents
    if not whole or {len(codes), len(table)} != {images}:
        raise ImageError(f"{path}: codes.npy, images.tsv and index.json do not match; encode again")
    if int(codes.max()) >= size:
        raise ImageError(f"{path}: code {codes.max()} is not below {size}; encode again")
    (classes, actions), (model, sha256) = names, texts
    return ImageCodes(path, codes, table, classes, actions, size, latents, dimensions, model, sha256)


def write_codes(
    path: str | Path,
    images: ImageSet,
    encode: Callable[[np.ndarray], np.ndarray],
    description: dict[str, Any],
    batch: int = 256,
) -> ImageCodes:
    """Encode a set of images batch by batch and write the codes to a folder, with progress.

    Args:
        path: The folder.
        images: The images.
        encode: Gives the codes `(n, height, width)` of pixels uint8 `(n, channels, height, width)`.
        description: {"codes", "latents", "model", "sha256"} of the codes.
        batch: Images at once.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    with replace_file(path / "codes.npy") as temporary:
        written = None
        for start in track(range(0, len(images), batch), "encode", "batch"):
            found = encode(images.pixels(slice(start, start + batch)))
            if written is None:
                shape = (len(images), *found.shape[1:])
                written = np.lib.format.open_memmap(temporary, "w+", np.uint16, shape)
            written[start : start + batch] = found
        assert written is not None, "a set has at least one image"
        written.flush()
    images.table.write(path)
    index = {"format": FORMAT, "version": VERSION, "images": len(images), "dimensions": int(np.prod(images.shape))}
    index |= {"classes": list(images.classes), "actions": list(images.actions), **description}
    write_text(path / "index.json", json.dumps(index, indent=1) + "\n")
    return read_codes(path)
