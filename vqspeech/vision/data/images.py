"""Sets of images, the training data: memory-mapped uint8 pixels with an index and a table.

    DATA/index.json       version, number and shape of the images, names of classes and actions, the files
    DATA/images.tsv       one line an image, see `table`
    DATA/images.000.u8    pixels, uint8 (images, channels, height, width)

The index is written last, so that an interrupted set is recognised as incomplete.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import numpy as np

from vqspeech.errors import ConfigError, ImageError
from vqspeech.files import hash_file_sample, replace_file, write_text
from vqspeech.schema import Count, Options, Width
from vqspeech.vision.data.table import ImageTable, read_table

FORMAT, VERSION = "vqspeech-images", 1
SHARD_BYTES = 1 << 30
"""Maximum size of a shard in bytes."""


class Image(NamedTuple):
    """One image.

    Attributes:
        name: Its name.
        pixels: uint8 `(channels, height, width)`.
        label: Number of its class; -1 if it is unknown.
        episode: For a video frame, the number of its episode.
        action: For a video frame, the number of the action taken at it.
    """

    name: str
    pixels: np.ndarray
    label: int = -1
    episode: int | None = None
    action: int | None = None


@dataclass(frozen=True)
class ImageSet:
    """A set of images, memory-mapped.

    Attributes:
        path: Its folder.
        shape: (channels, height, width) of every image.
        table: Names, labels, episodes and actions of the images.
        classes: Names of the classes.
        actions: Names of the actions.
        maps: Pixels of the shards, uint8 `(images, channels, height, width)`.
    """

    path: Path
    shape: tuple[int, int, int]
    table: ImageTable
    classes: Sequence[str]
    actions: Sequence[str]
    maps: Sequence[np.ndarray]
    sha256: str = ""
    """Hash of all pixels; empty if the index has none."""

    def __len__(self) -> int:
        return len(self.table)

    def pixels(self, indices: np.ndarray | Sequence[int] | slice) -> np.ndarray:
        """Read the images at `indices` `(n,)`: uint8 `(n, channels, height, width)`."""
        wanted = np.arange(len(self))[indices]
        ends = np.cumsum([len(one) for one in self.maps])
        found = np.empty((len(wanted), *self.shape), np.uint8)
        for i, end in enumerate(ends):
            here = (wanted >= end - len(self.maps[i])) & (wanted < end)
            found[here] = self.maps[i][wanted[here] - (end - len(self.maps[i]))]
        return found

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the table and the pixels."""
        files = [str(cast(np.memmap, one).filename) for one in self.maps]
        pixels = [self.sha256] if self.sha256 else [hash_file_sample(file) for file in files]
        parts = [str(self.shape), self.table.fingerprint, *self.classes, "", *self.actions, "", *pixels]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def description(self) -> str:
        """The set in one line."""
        channels, height, width = self.shape
        kinds = f", {len(self.classes)} classes" if self.classes else ""
        if self.table.episodes is not None:
            kinds += f", {len(np.unique(self.table.episodes))} episodes, {len(self.actions)} actions"
        return f"{len(self):,} images of {height}x{width}x{channels}{kinds}"


@dataclass(frozen=True)
class _Shard:
    images: str
    count: Count


@dataclass(frozen=True)
class _Index:
    images: Count
    channels: Width
    height: Width
    width: Width
    classes: Sequence[str]
    actions: Sequence[str]
    shards: Sequence[Annotated[Mapping[str, Any], Options(_Shard, allow_unknown=True)]]
    sha256: str = ""


_INDEX = Options(_Index, allow_unknown=True)


def read_images(path: str | Path) -> ImageSet:
    """Open the set of images in a folder.

    Raises:
        ImageError: It is missing, incomplete, damaged, or of another version.
    """
    path = Path(path)
    try:
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        if index["format"] != FORMAT or index["version"] != VERSION:
            raise ImageError(f"{path}: not a set of images of version {VERSION}; make it with: vqspeech vision prepare")
        index = _INDEX.check("index.json", index)
        shape, maps = (index["channels"], index["height"], index["width"]), []
        for file in index["shards"]:
            size = file["count"] * math.prod(shape)
            if (path / file["images"]).stat().st_size != size:
                raise ImageError(
                    f"{path}: {file['images']} does not have the {size:,} bytes that its index states; prepare it again"
                )
            maps.append(np.memmap(path / file["images"], np.uint8, "r", shape=(file["count"], *shape)))
        classes, actions, images = list(index["classes"]), list(index["actions"]), index["images"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(
            f"{path}: no complete set of images ({Path(error.filename).name} is missing); "
            "make it with: vqspeech vision prepare"
        ) from None
    except (ValueError, KeyError, TypeError, OSError, RecursionError, ConfigError) as error:
        raise ImageError(f"{path}: the set of images is damaged ({error}); prepare it again") from None
    table = read_table(path)
    if not images or len(table) != images or sum(map(len, maps)) != images:
        raise ImageError(f"{path}: the table has {len(table)} images, but the index {images}; prepare it again")
    for what, numbers, names in (("class", table.labels, classes), ("action", table.actions, actions)):
        if numbers is not None and (numbers.min() < -1 or numbers.max() >= len(names)):
            raise ImageError(
                f"{path}: a {what} number is outside the {len(names)} names of the index; prepare it again"
            )
    return ImageSet(path, shape, table, classes, actions, maps, str(index.get("sha256", "")))


def write_images(
    path: str | Path,
    images: Iterable[Image],
    classes: Sequence[str] = (),
    actions: Sequence[str] = (),
    shard_bytes: int = SHARD_BYTES,
) -> ImageSet:
    """Write images to a folder as they come; they are video frames if the first has an episode.

    Args:
        path: The folder.
        images: The images, all of one shape.
        classes: Names of the classes.
        actions: Names of the actions.
        shard_bytes: Maximum size of a shard.

    Raises:
        ImageError: There are no images, or their shapes differ.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    for old in [*path.glob("images.*.u8"), *path.glob(".images.*.tmp.*")]:
        old.unlink()
    pending, rows, files, shape, digest = iter(images), [], [], (), hashlib.sha256()
    image = next(pending, None)
    if image is None:
        raise ImageError(f"{path}: there are no images to write; see the messages above")
    shape = image.pixels.shape
    a_shard = max(1, shard_bytes // max(1, image.pixels.size))
    while image is not None:
        name, count = f"images.{len(files):03d}.u8", 0
        with replace_file(path / name) as temporary, open(temporary, "wb") as file:
            while image is not None and count < a_shard:
                if image.pixels.shape != shape or image.pixels.dtype != np.uint8 or len(shape) != 3:
                    raise ImageError(
                        f"{image.name}: {image.pixels.dtype} {image.pixels.shape}, the first was uint8 {shape}; "
                        "bring all images to one shape"
                    )
                file.write(image.pixels.tobytes())
                digest.update(image.pixels.tobytes())
                rows.append((image.name, image.label, image.episode, image.action))
                count += 1
                image = next(pending, None)
        files.append({"images": name, "count": count})
    names, labels, episodes, acted = zip(*rows, strict=True)
    frames = [np.array(one, np.int64) for one in (episodes, acted)] if episodes[0] is not None else [None, None]
    ImageTable(names, np.array(labels, np.int64), *frames).write(path)
    index = {"format": FORMAT, "version": VERSION, "images": len(rows), "sha256": digest.hexdigest()}
    index |= dict(zip(("channels", "height", "width"), map(int, shape), strict=True))
    index |= {"classes": list(classes), "actions": list(actions), "shards": files}
    write_text(path / "index.json", json.dumps(index, indent=1) + "\n")
    return read_images(path)


def invalidate_images(path: str | Path) -> None:
    """Remove the index of a set of images, so that nothing reads the old set while a new one is written."""
    with suppress(FileNotFoundError):
        (Path(path) / "index.json").unlink()
