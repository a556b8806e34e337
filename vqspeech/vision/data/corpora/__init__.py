"""Corpus of images: parts, each an iterable of images, and the names of classes and actions."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqspeech.jobs import Skipped
from vqspeech.vision.data.images import Image, ImageSet, invalidate_images, write_images

PARTS = ("train", "dev", "test")
"""The parts of a corpus."""


@dataclass
class Corpus:
    """A corpus whose images are read on demand.

    Attributes:
        parts: Functions that yield the images, by part.
        classes: Names of the classes.
        actions: Names of the actions.
        summary: How the corpus was laid out and split.
        skipped: Images that could not be read.
    """

    parts: Mapping[str, Callable[[], Iterable[Image]]]
    classes: Sequence[str] = ()
    actions: Sequence[str] = ()
    summary: str = ""
    skipped: Skipped = field(default_factory=Skipped)

    def write(self, out: str | Path) -> dict[str, ImageSet]:
        """Write every part to OUT/PART and return the sets."""
        for part in PARTS:
            invalidate_images(Path(out) / part)
        return {
            part: write_images(Path(out) / part, images(), self.classes, self.actions)
            for part, images in self.parts.items()
        }


def assign_part(name: str, dev: int = 10, test: int = 10) -> str:
    """Assign an image to a part by its name, so that it stays there when others are added or removed.

    Args:
        name: The name.
        dev: Expected percentage of names in dev.
        test: Likewise in test.
    """
    place = zlib.crc32(name.encode()) % 100
    return "dev" if place < dev else "test" if place < dev + test else "train"
