"""Windows of a dump that is larger than memory, or on a slow disk: drawn from a part of it that is in memory.

A dump is divided into blocks, each some minutes in one file. Blocks are read whole, in a random order that is another
in each epoch, and the newest of them make the buffer that windows are drawn from: no window costs a read of its own. A
block comes in for every block's worth of windows that was drawn, so that an epoch of blocks is one of windows.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vqspeech import world
from vqspeech.data.batches import WindowPositions
from vqspeech.data.windows import SpeechBatch, Windows

BLOCK = 1 << 23
"""Samples in a block, about: 16 MB, nine minutes."""
_LEAST = 2


class _Block(NamedTuple):
    """A block in memory: number of its first sample in its file, samples, and WORLD frames where the dump has some."""

    first: int
    samples: np.ndarray
    frames: np.ndarray | None


class BufferedWindows(Windows):
    """Windows that are drawn from a buffer.

    A batch is a function of (seed, step, process) alone, as of other windows; with a buffer as large as the dump it is
    the same batch.

    Args:
        windows: The windows of the whole dump.
        gigabytes: Size of the buffer.
        block: Samples in a block, about.
    """

    def __init__(self, windows: Windows, gigabytes: float, block: int = BLOCK):
        vars(self).update(vars(windows))
        self._whole = windows
        shards = self.shards
        self._order = np.lexsort((shards.first, shards.shard))
        places = np.stack([shards.shard[self._order], shards.first[self._order] // block])
        begins = np.flatnonzero(np.any(np.diff(places, axis=1, prepend=-1), axis=0))
        self._bounds = np.append(begins, len(shards))
        self._block_of = np.empty(len(shards), dtype=np.int32)
        self._block_of[self._order] = np.repeat(np.arange(len(begins), dtype=np.int32), np.diff(self._bounds))
        self._mean = float(shards.length.sum()) / len(begins)
        size = self._mean * (2 + (2 * world.CHANNELS / world.FRAME if shards.world_maps else 0))
        self.capacity = max(_LEAST, round(gigabytes * 1e9 / size))
        """Blocks in the buffer."""
        self._buffer: dict[int, _Block] = {}
        self._chosen = np.zeros(0, int)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> SpeechBatch:
        """Return `size` random windows of the buffer of this step."""
        self._fill(self._choose(seed, int(step * size * self.samples / self._mean)))
        utterances, frames = self._places.random(size, seed, step, process)
        return self._batch(self._chosen[utterances], frames)

    def even(self, size: int) -> SpeechBatch:
        """Return windows spread evenly over the whole dump, which are read from it."""
        return self._whole.even(size)

    def _choose(self, seed: int, first: int) -> list[int]:
        """Return the blocks in the buffer where `first` blocks went out of it before, sorted."""
        count = len(self._bounds) - 1
        if self.capacity >= count:
            return list(range(count))
        numbers = range(first, first + self.capacity)
        return sorted({int(_shuffle(count, seed, number // count)[number % count]) for number in numbers})

    def _fill(self, blocks: list[int]) -> None:
        if list(self._buffer) == blocks:
            return
        kept = self._buffer
        self._buffer = {}
        for number in blocks:
            self._buffer[number] = kept.get(number) or self._read(number)
        self._chosen = np.concatenate([self._order[self._bounds[i] : self._bounds[i + 1]] for i in blocks])
        self._places = WindowPositions(self.shards.length[self._chosen] // world.FRAME, self.samples // world.FRAME)

    def _read(self, number: int) -> _Block:
        shards, inside = self.shards, self._order[self._bounds[number] : self._bounds[number + 1]]
        shard, first, last = int(shards.shard[inside[0]]), int(shards.first[inside[0]]), inside[-1]
        end = int(shards.first[last] + shards.length[last])
        frames = None
        if shards.world_maps:
            frames = np.array(shards.world_maps[shard][first // world.FRAME : world.count_frames(end)])
        return _Block(first, np.array(shards.audio_maps[shard][first:end]), frames)

    def _read_samples(self, i: int, start: int, stop: int) -> np.ndarray:
        block = self._buffer[int(self._block_of[i])]
        first = int(self.shards.first[i]) - block.first
        return block.samples[first + start : first + min(stop, int(self.shards.length[i]))]

    def _read_frames(self, i: int, start: int, stop: int) -> np.ndarray:
        block = self._buffer[int(self._block_of[i])]
        assert block.frames is not None
        first = (int(self.shards.first[i]) - block.first) // world.FRAME
        return block.frames[first + start : first + min(stop, world.count_frames(int(self.shards.length[i])))]


@lru_cache(4)
def _shuffle(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the blocks in an epoch."""
    return np.random.default_rng([seed, epoch, 1]).permutation(count)
