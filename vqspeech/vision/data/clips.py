"""Clips, runs of frames of one episode, of the codes of frames, with what was done at each: for priors over video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch, WindowPositions
from vqspeech.errors import ImageError
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.data.table import ImageTable


@dataclass
class ClipBatch(Batch):
    """Clips of codes of frames.

    Attributes:
        codes: int64 `(batch, time, height, width)`.
        actions: int64 `(batch, time)`, 1 + the number of the action at each frame, which leads to the next; 0 where it
            is unknown.
    """

    codes: Tensor
    actions: Tensor


@dataclass(frozen=True)
class Episodes:
    """Where episodes lie in a set: `numbers`, the `starts` and the `lengths` in frames, int64 `(episodes,)` each."""

    numbers: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def of_length(self, length: int, where: object) -> "Episodes":
        """Those of at least so many frames. Raises `ImageError` where there are none."""
        kept = self.lengths >= length
        if not kept.any():
            raise ImageError(
                f"{where}: the longest of {len(kept)} episodes has {self.lengths.max()} frames, a window {length}; "
                "record longer ones, or take shorter windows"
            )
        return Episodes(self.numbers[kept], self.starts[kept], self.lengths[kept])


def episodes(table: ImageTable, where: object) -> Episodes:
    """The episodes of a table of frames. Raises `ImageError` where the images are no frames."""
    if table.episodes is None:
        raise ImageError(f"{where}: the images are of no episodes; prepare frames that have them")
    starts = np.flatnonzero(np.diff(table.episodes, prepend=table.episodes[0] - 1))
    return Episodes(table.episodes[starts], starts, np.diff(starts, append=len(table)))


def told(table: ImageTable, names: Sequence[str], known: Sequence[str], where: object) -> np.ndarray:
    """What was done at each frame of a table, `names` being those of its actions, as one who knows the actions `known`
    is told it: int64 `(n,)`, 1 + its number, 0 where it is not known what was done.

    Raises `ImageError` where something else was done.
    """
    numbers = np.full(len(table), -1) if table.actions is None else table.actions
    index = {name: i + 1 for i, name in enumerate(known)}
    done = {names[int(i)] for i in np.unique(numbers) if i >= 0}
    if not done <= set(known):
        raise ImageError(
            f"{where}: actions {', '.join(sorted(done - set(known)))} are unknown; "
            f"those known are {', '.join(known) or 'none'}"
        )
    found = np.array([index.get(name, 0) for name in names] + [0])
    return found[numbers]


class Clips:
    """Clips of `length` frames of the codes of a set, told the actions `known`. Shorter episodes are left out.

    Raises `ImageError` for images that are no frames, episodes that are all shorter, and other actions.
    """

    def __init__(self, codes: ImageCodes, length: int, known: Sequence[str]):
        self.codes, self.length = codes, length
        self.actions = told(codes.table, codes.actions, known, codes.path)
        self.episodes = episodes(codes.table, codes.path).of_length(length, codes.path)
        self._places = WindowPositions(self.episodes.lengths, length)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> ClipBatch:
        """`size` clips drawn at random."""
        return self._batch(*self._places.random(size, seed, step, process))

    def even(self, size: int) -> ClipBatch:
        """`size` clips spread evenly over the set: the same ones at every call, for evaluation."""
        return self._batch(*self._places.even(size))

    def starts(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Where those of `even` start in the set, and the numbers of their episodes: int64 `(size,)` each."""
        found, offsets = self._places.even(size)
        return self.episodes.starts[found] + offsets, self.episodes.numbers[found]

    def _batch(self, found: np.ndarray, offsets: np.ndarray) -> ClipBatch:
        frames = (self.episodes.starts[found] + offsets)[:, None] + np.arange(self.length)
        codes = np.asarray(self.codes.codes[frames], np.int64)
        return ClipBatch(torch.from_numpy(codes), torch.from_numpy(self.actions[frames]))
