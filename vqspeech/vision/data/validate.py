"""Validation of sets of images; every fault comes with its fix."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vqspeech.data.tables import Fault
from vqspeech.errors import ImageError
from vqspeech.vision.data.images import ImageSet, read_images
from vqspeech.vision.data.table import NAME

MAX_LISTED = 20
"""Maximum number of faults of one kind that are listed one by one."""


def find_faults(paths: Sequence[str | Path]) -> list[Fault]:
    """Find the faults of sets of images that belong together, such as train, dev and test.

    Faults are damaged files, sets of different shapes or classes, duplicate names, images of one colour, and images
    that are in more than one set and would be scored as if they were held out.
    """
    found, sets = [], []
    for path in paths:
        try:
            sets.append(read_images(path))
        except ImageError as error:
            found.append(Fault(str(path), 0, str(error).removeprefix(f"{path}: "), "then validate again"))
    found += [
        Fault(str(one.path), 0, f"its shape or classes differ from those of {sets[0].path}", "prepare both again")
        for one in sets[1:]
        if (one.shape, list(one.classes)) != (sets[0].shape, list(sets[0].classes))
    ]
    seen: dict[bytes, tuple[int, str]] = {}
    for number, one in enumerate(sets):
        found += _of_one(one, number, seen)
    return found


def _of_one(images: ImageSet, number: int, seen: dict[bytes, tuple[int, str]]) -> list[Fault]:
    """Find the faults of one set; `seen` maps the hash of an image to its set and name."""
    table = str(images.path / NAME)
    names: set[str] = set()
    kinds: dict[str, list[Fault]] = {"twice": [], "flat": [], "copy": []}
    for i, name in enumerate(images.table.names):
        pixels = images.pixels([i])
        if name in names:
            kinds["twice"].append(Fault(table, i + 2, f"'{name}' occurs twice", "give each image its own name"))
        names.add(name)
        if pixels.min() == pixels.max():
            kinds["flat"].append(Fault(table, i + 2, f"'{name}' has one colour", "leave it out"))
        elif (other := seen.setdefault(hashlib.sha256(pixels.tobytes()).digest(), (number, name)))[0] != number:
            what = f"'{name}' is also '{other[1]}' in another set"
            kinds["copy"].append(Fault(table, i + 2, what, "leave it out of one of them"))
    found = [fault for some in kinds.values() for fault in some[:MAX_LISTED]]
    rest = {what: len(some) - MAX_LISTED for what, some in kinds.items() if len(some) > MAX_LISTED}
    return found + [Fault(table, 0, f"{count} more faults ({what})", "as above") for what, count in rest.items()]
