"""Batches drawn and copied to the device ahead of their step, or taken from a dump that is on the device as a whole."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqspeech import world
from vqspeech.data.buffered import BufferedWindows
from vqspeech.data.windows import SpeechBatch, Windows
from vqspeech.training.task import Batch, Batches

AHEAD = 2
"""Batches that are drawn before they are needed."""
_SHARE = 0.5
"""Share of the free memory of a device that a resident dump takes at most."""


class BatchQueue:
    """Batches by the number of their draw, drawn by a thread and copied through pinned memory to a GPU.

    Args:
        draw: Gives the batch of a number; a function of the number alone, so that a resumed run draws the same.
        first: The first number.
        device: Where the batches go.
    """

    def __init__(self, draw: Callable[[int], Batch], first: int, device: torch.device):
        self._draw, self._next, self._device = draw, first, device
        self._pool = ThreadPoolExecutor(1, "batches")
        self._waiting: deque[Future[tuple[Any, Any]]] = deque()
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def take(self) -> Any:
        """Return the next batch, on the device. Raise what drawing it raised."""
        while len(self._waiting) <= AHEAD:
            self._waiting.append(self._pool.submit(self._fetch, self._next))
            self._next += 1
        batch, copied = self._waiting.popleft().result()
        if copied is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(copied)
            batch.each(lambda tensor: _record(tensor, stream))
        return batch

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, number: int) -> tuple[Any, Any]:
        if self._stream is None:
            return self._draw(number).to(self._device), None
        with torch.cuda.stream(self._stream):
            batch: Any = self._draw(number)
            batch = batch.each(lambda one: one if one.is_cuda else _copy_pinned(one, self._device))
            return batch, self._stream.record_event()


def _copy_pinned(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True)


def _record(tensor: Tensor, stream: Any) -> Tensor:
    tensor.record_stream(stream)
    return tensor


def choose_batches(batches: Batches, resident: str, device: torch.device) -> Batches:
    """Return the batches of a task, taken from a copy of its dump on the device where that is asked for.

    Args:
        batches: What the task learns from.
        resident: "always", "never", or "auto": where the device is a GPU with room for the dump.
        device: The device of the training.
    """
    if resident == "never" or not isinstance(batches, Windows) or isinstance(batches, BufferedWindows):
        return batches
    if resident == "auto" and (
        device.type != "cuda" or count_bytes(batches) > _SHARE * torch.cuda.mem_get_info(device)[0]
    ):
        return batches
    return ResidentWindows(batches, device)


def count_bytes(windows: Windows) -> int:
    """Return the size of what a resident dump holds (bytes)."""
    return sum(one.nbytes for one in chain(windows.shards.audio_maps, windows.shards.world_maps))


class ResidentWindows(Windows):
    """The same batches as those of some windows, gathered on a device that holds the whole dump.

    Args:
        windows: The windows.
        device: The device, with room for `count_bytes` of them.
    """

    def __init__(self, windows: Windows, device: torch.device):
        vars(self).update(vars(windows))
        shards = self.shards
        offsets = np.cumsum([0, *map(len, shards.audio_maps)])[:-1]
        self._starts = _place(offsets[shards.shard] + shards.first, device)
        self._lengths = _place(shards.length, device)
        self._waves = _join(shards.audio_maps, device)
        self._numbers = _place(self._speaker, device)
        self._moments = None if self.statistics is None else _place(self.statistics, device)
        self._frames = None
        if shards.world_maps:
            offsets = np.cumsum([0, *map(len, shards.world_maps)])[:-1]
            self._first_frames = _place(offsets[shards.shard] + shards.first // world.FRAME, device)
            counts = [world.count_frames(int(length)) for length in shards.length]
            self._frame_counts = _place(np.array(counts, dtype=np.int64), device)
            self._frames = _join(shards.world_maps, device)

    def _batch(self, utterances: np.ndarray, frames: np.ndarray) -> SpeechBatch:
        device = self._waves.device
        chosen, first = _place(utterances, device), _place(frames, device)
        start = first * world.FRAME
        lengths = (self._lengths[chosen] - start).clamp(max=self.samples)
        samples = _gather(self._waves, self._starts[chosen] + start, lengths, self.samples)
        targets = None
        if self._frames is not None:
            count = self.samples // world.FRAME
            valid = (self._frame_counts[chosen] - first).clamp(max=count)
            targets = _gather(self._frames, self._first_frames[chosen] + first, valid, count)
            targets = targets.float().transpose(1, 2)
        moments = None if self._moments is None else self._moments[chosen]
        return SpeechBatch(samples, lengths, self._numbers[chosen], moments, targets)


def _gather(rows: Tensor, starts: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return `size` rows from each of `starts` `(batch,)`, zeros after the first `lengths`: `(batch, size, …)`."""
    steps = torch.arange(size, device=rows.device)
    found = rows[(starts[:, None] + steps).clamp(max=len(rows) - 1)]
    outside = steps >= lengths[:, None]
    return found.masked_fill_(outside.view(*outside.shape, *[1] * (found.ndim - 2)), 0)


def _place(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _join(maps: Any, device: torch.device) -> Tensor:
    """Concatenate arrays on a device, copied one by one."""
    parts = [torch.from_numpy(np.array(one)).to(device) for one in maps]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
