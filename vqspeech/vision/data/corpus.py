"""What a corpus of images is: parts, each a run of images, and the names of classes and actions."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqspeech.jobs import Skipped
from vqspeech.vision.data.images import Image, ImageSet, removed, write_images

PARTS = ("train", "dev", "test")
"""What a corpus is split into."""


@dataclass
class Corpus:
    """Images by part, made as they are asked for; images that cannot be read go to `skipped`; `told` says how the
    parts came about."""

    parts: Mapping[str, Callable[[], Iterable[Image]]]
    classes: Sequence[str] = ()
    actions: Sequence[str] = ()
    told: str = ""
    skipped: Skipped = field(default_factory=Skipped)

    def write(self, out: str | Path) -> dict[str, ImageSet]:
        """Writes OUT/PART for every part, and gives the sets."""
        for part in PARTS:
            removed(Path(out) / part)
        return {
            part: write_images(Path(out) / part, images(), self.classes, self.actions)
            for part, images in self.parts.items()
        }


def part_of(name: str, dev: int = 10, test: int = 10) -> str:
    """The part of an image by its name: of a hundred names about `dev` are in dev, `test` in test.

    The name alone decides, so that an image stays in its part when others come or go.
    """
    place = zlib.crc32(name.encode()) % 100
    return "dev" if place < dev else "test" if place < dev + test else "train"
