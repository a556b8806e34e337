"""Clips for video priors: windows of consecutive frames of an episode, as codes with their actions."""

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
    """Positions of episodes in a set of frames.

    Attributes:
        numbers: Number of each episode, int64 `(episodes,)`.
        starts: Index of its first frame.
        lengths: Its number of frames.
    """

    numbers: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def select_min_length(self, length: int, where: object) -> "Episodes":
        """Return the episodes of at least `length` frames.

        Args:
            length: Frames.
            where: The set, for the message.

        Raises:
            ImageError: There are none.
        """
        kept = self.lengths >= length
        if not kept.any():
            raise ImageError(
                f"{where}: the longest of {len(kept)} episodes has {self.lengths.max()} frames, but a clip takes "
                f"{length}; record longer ones, or use shorter clips"
            )
        return Episodes(self.numbers[kept], self.starts[kept], self.lengths[kept])


def find_episodes(table: ImageTable, where: object) -> Episodes:
    """Find the episodes of a table of frames.

    Args:
        table: The table.
        where: The set, for the message.

    Raises:
        ImageError: The images are not frames of episodes.
    """
    if table.episodes is None:
        raise ImageError(f"{where}: the images are not frames of episodes; prepare frames with episodes")
    starts = np.flatnonzero(np.diff(table.episodes, prepend=table.episodes[0] - 1))
    return Episodes(table.episodes[starts], starts, np.diff(starts, append=len(table)))


def encode_actions(table: ImageTable, names: Sequence[str], known: Sequence[str], where: object) -> np.ndarray:
    """Translate the actions of a table into the inputs of a prior.

    Args:
        table: Frames.
        names: Names of the table's actions.
        known: Names of the prior's actions, in its order.
        where: The set, for the message.

    Returns:
        int64 `(n,)`: 1 + the prior's number of each action, 0 if the action is unknown.

    Raises:
        ImageError: The table has an action that the prior does not know.
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
    """Clips of `length` frames of a set of codes, with actions numbered as in `known`. Shorter episodes are left out.

    Raises:
        ImageError: The images are not frames, all episodes are shorter, or an action is not in `known`.
    """

    def __init__(self, codes: ImageCodes, length: int, known: Sequence[str]):
        self.codes, self.length = codes, length
        self.actions = encode_actions(codes.table, codes.actions, known, codes.path)
        self.episodes = find_episodes(codes.table, codes.path).select_min_length(length, codes.path)
        self._places = WindowPositions(self.episodes.lengths, length)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> ClipBatch:
        """Draw `size` clips at random."""
        return self._batch(*self._places.random(size, seed, step, process))

    def even(self, size: int) -> ClipBatch:
        """Return `size` clips, evenly spaced over the set: the same ones at every call, for evaluation."""
        return self._batch(*self._places.even(size))

    def starts(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Return first frames and episode numbers of the clips of `even`: int64 `(size,)` each."""
        found, offsets = self._places.even(size)
        return self.episodes.starts[found] + offsets, self.episodes.numbers[found]

    def _batch(self, found: np.ndarray, offsets: np.ndarray) -> ClipBatch:
        frames = (self.episodes.starts[found] + offsets)[:, None] + np.arange(self.length)
        codes = np.asarray(self.codes.codes[frames], np.int64)
        return ClipBatch(torch.from_numpy(codes), torch.from_numpy(self.actions[frames]))
