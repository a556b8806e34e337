"""Table of images or of their codes, one line an image: name, class, and for video frames episode and action.

    image<TAB>class[<TAB>episode<TAB>action]      head
    0000<TAB>3[<TAB>0<TAB>2]                      numbers; class -1: unknown

The frames of an episode are consecutive, in order of time; the action is the one taken at the frame and leads to the
next.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqspeech.errors import ImageError
from vqspeech.files import write_text

NAME = "images.tsv"
"""File name of the table in a folder of images or codes."""
_HEADS = (["image", "class"], ["image", "class", "episode", "action"])


@dataclass(frozen=True)
class ImageTable:
    """Names and numbers of n images.

    Attributes:
        names: Names of the images.
        labels: Classes, int64 `(n,)`; -1 if unknown.
        episodes: Episodes of video frames, int64 `(n,)`, or None.
        actions: Actions taken at them, int64 `(n,)`, or None.
    """

    names: Sequence[str]
    labels: np.ndarray
    episodes: np.ndarray | None = None
    actions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def select(self, picks: np.ndarray) -> "ImageTable":
        """Return the table of the images at `picks` `(n,)`."""
        frames = [None if one is None else one[picks] for one in (self.episodes, self.actions)]
        return ImageTable([str(self.names[i]) for i in picks], self.labels[picks], *frames)

    @property
    def fingerprint(self) -> str:
        """Hash of the whole table."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for column in (self.labels, self.episodes, self.actions):
            digest.update(b"none" if column is None else np.ascontiguousarray(column, np.int64).tobytes())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the table to a folder.

        Raises:
            ImageError: A name has a tab or a line break.
        """
        bad = next((name for name in self.names if not name or len(name.splitlines()) != 1 or "\t" in name), None)
        if bad is not None:
            raise ImageError(f"{bad!r} cannot be the name of an image; use names without tabs and line breaks")
        columns = [self.names, self.labels.tolist()]
        if self.episodes is not None and self.actions is not None:
            columns += [self.episodes.tolist(), self.actions.tolist()]
        lines = ["\t".join(_HEADS[len(columns) > 2]), *("\t".join(map(str, row)) for row in zip(*columns, strict=True))]
        write_text(folder / NAME, "\n".join(lines) + "\n")


def read_table(folder: Path) -> ImageTable:
    """Read the table in a folder.

    Raises:
        ImageError: The table is missing or malformed; the message names the line.
    """
    path = folder / NAME
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        fields = head.split("\t")
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({error}); make the folder again") from None
    if fields not in _HEADS:
        raise ImageError(f"{path}:1: the head is {head!r}, not {' '.join(_HEADS[0])}; make the folder again")
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 2):
        if len(row) != len(fields) or not all(one.removeprefix("-").isdecimal() for one in row[1:]):
            raise ImageError(f"{path}:{number}: not a name and {len(fields) - 1} numbers; make the folder again")
    try:
        numbers = np.array([[int(one) for one in row[1:]] for row in rows], np.int64).reshape(-1, len(fields) - 1).T
    except (OverflowError, ValueError):
        raise ImageError(f"{path}: a number is too large for 64 bits; make the folder again") from None
    return ImageTable([row[0] for row in rows], *numbers)
