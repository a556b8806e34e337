"""Faults of sets of images, each with what to do about it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vqspeech.data.tables import Fault
from vqspeech.errors import ImageError
from vqspeech.vision.data.images import ImageSet, image_set
from vqspeech.vision.data.table import NAME

SHOWN = 20
"""Faults of one kind that are named one by one."""


def faults(paths: Sequence[str | Path]) -> list[Fault]:
    """Every fault of several sets of images that belong together, such as train, dev and test: what is damaged, sets
    that do not fit each other, names that stand twice, images of one colour, and images that are in more than one set,
    which would be scored as if they were new."""
    found, sets = [], []
    for path in paths:
        try:
            sets.append(image_set(path))
        except ImageError as error:
            found.append(Fault(str(path), 0, str(error).removeprefix(f"{path}: "), "then validate again"))
    for one in sets[1:]:
        if (one.shape, list(one.classes)) != (sets[0].shape, list(sets[0].classes)):
            found.append(
                Fault(str(one.path), 0, f"not of the shape or classes of {sets[0].path}", "prepare both again")
            )
    seen: dict[bytes, tuple[int, str]] = {}
    for number, one in enumerate(sets):
        found += _of_one(one, number, seen)
    return found


def _of_one(images: ImageSet, number: int, seen: dict[bytes, tuple[int, str]]) -> list[Fault]:
    """Faults of a set; `seen` has set and place of every image so far, by what its pixels hash to."""
    table = str(images.path / NAME)
    names: set[str] = set()
    kinds: dict[str, list[Fault]] = {"twice": [], "flat": [], "copy": []}
    for i, name in enumerate(images.table.names):
        pixels = images.pixels([i])
        if name in names:
            kinds["twice"].append(Fault(table, i + 2, f"'{name}' stands twice", "give each image a name of its own"))
        names.add(name)
        if pixels.min() == pixels.max():
            kinds["flat"].append(Fault(table, i + 2, f"'{name}' has one colour", "leave it out"))
        elif (other := seen.setdefault(hashlib.sha256(pixels.tobytes()).digest(), (number, name)))[0] != number:
            what = f"'{name}' is also '{other[1]}' of another set"
            kinds["copy"].append(Fault(table, i + 2, what, "leave it out of one of them"))
    found = [fault for some in kinds.values() for fault in some[:SHOWN]]
    rest = {what: len(some) - SHOWN for what, some in kinds.items() if len(some) > SHOWN}
    return found + [Fault(table, 0, f"{count} more faults ({what})", "as above") for what, count in rest.items()]
