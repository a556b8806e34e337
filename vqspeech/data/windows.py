"""Random windows of a dump as batches of tensors.

A batch is a function of (seed, step, process) alone, so resuming at a step needs no stored sampler state and costs
nothing; every window starts on the 10 ms grid, so that WORLD frames line up with it.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from vqspeech import world
from vqspeech.data.batches import Batch, WindowPositions
from vqspeech.data.dump import Shards
from vqspeech.data.dump_index import Categories
from vqspeech.errors import SpeakerError
from vqspeech.files import replace_file
from vqspeech.pitch import pitch_statistics


@dataclass
class SpeechBatch(Batch):
    """Windows of speech.

    Attributes:
        samples: int16 `(batch, time)`.
        lengths: int64 `(batch,)`, valid samples of each window, a multiple of 10 ms; the rest is silence.
        speakers: int64 `(batch,)`, indices of speakers.
        statistics: `(batch, 2, channels)`, mean and deviation of the front end's channels over each whole utterance.
        world: float32 `(batch, channels, frames)`, WORLD frames.
    """

    samples: Tensor
    lengths: Tensor
    speakers: Tensor
    statistics: Tensor | None
    world: Tensor | None


class Windows:
    """Windows of the utterances of a dump.

    Args:
        shards: The dump.
        speakers: Speakers of the model, in order of their indices.
        samples: Samples per window, a multiple of 10 ms.
        statistics: Of each utterance, float32 `(utterances, 2, channels)`, see `compute_utterance_statistics`.

    Raises:
        SpeakerError: The dump has a speaker that the model does not know.
    """

    def __init__(self, shards: Shards, speakers: list[str], samples: int, statistics: np.ndarray | None = None):
        given = Categories.pack(shards.speakers)
        unknown = sorted(set(given.names) - set(speakers))
        if unknown:
            raise SpeakerError(
                f"{shards.path}: speakers {', '.join(unknown[:5])} are not in the model's training data; "
                "use other utterances of the speakers it has (`vqspeech split` makes such a set)"
            )
        self.shards = shards
        self.samples = samples
        self.statistics = statistics
        index = {name: i for i, name in enumerate(speakers)}
        self._speaker = np.array([index[name] for name in given.names])[given.numbers]
        self._places = WindowPositions(shards.length // world.FRAME, samples // world.FRAME)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> SpeechBatch:
        """Return `size` random windows, a function of (seed, step, process) alone."""
        return self._batch(*self._places.random(size, seed, step, process))

    def even(self, size: int) -> SpeechBatch:
        """Return `size` windows spread evenly over the dump: the same at every call, for evaluation."""
        return self._batch(*self._places.even(size))

    def _batch(self, utterances: np.ndarray, frames: np.ndarray) -> SpeechBatch:
        shards, size = self.shards, self.samples
        samples = np.zeros((len(utterances), size), dtype=np.int16)
        lengths = np.empty(len(utterances), dtype=np.int64)
        targets = (
            np.zeros((len(utterances), size // world.FRAME, world.CHANNELS), np.float32) if shards.world_maps else None
        )
        for row, (i, frame) in enumerate(zip(utterances, frames, strict=True)):
            part = self._read_samples(i, frame * world.FRAME, frame * world.FRAME + size)
            samples[row, : len(part)] = part
            lengths[row] = len(part)
            if targets is not None:
                part = self._read_frames(i, frame, frame + size // world.FRAME)
                targets[row, : len(part)] = part
        return SpeechBatch(
            torch.from_numpy(samples),
            torch.from_numpy(lengths),
            torch.from_numpy(self._speaker[utterances]),
            None if self.statistics is None else torch.from_numpy(self.statistics[utterances]),
            None if targets is None else torch.from_numpy(targets.transpose(0, 2, 1)),
        )

    def _read_samples(self, i: int, start: int, stop: int) -> np.ndarray:
        return self.shards.samples(i, start, stop)

    def _read_frames(self, i: int, start: int, stop: int) -> np.ndarray:
        return self.shards.world(i, start, stop)


def compute_utterance_statistics(shards: Shards, name: str, statistics: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Return mean and deviation of a front end's channels over each utterance: float32 `(utterances, 2, channels)`.

    They are computed once and stored with the shards, where that can be written; and again where the stored ones are
    damaged, of another dump, or no longer what `statistics` gives for an utterance.

    Args:
        shards: The dump.
        name: Name of the front end, for the file.
        statistics: int16 samples `(time,)` → `(2, channels)`.
    """

    def computed(i: int) -> np.ndarray:
        return statistics(torch.from_numpy(shards.samples(i).copy())).numpy().astype(np.float32)

    path, shortest = shards.path / f"statistics.{name}.safetensors", int(shards.length.argmin())
    kept, probe = _load_statistics(path, shards), computed(shortest)
    if kept is not None and kept.shape[1:] == probe.shape and np.allclose(kept[shortest], probe, 1e-4, 1e-4):
        return kept
    found = np.stack([computed(i) for i in range(len(shards))])
    with suppress(OSError, SafetensorError), replace_file(path) as temporary:
        save_file({"statistics": found}, temporary, {"sha256": _hash_statistics(found, shards)})
    return found


def _load_statistics(path: Path, shards: Shards) -> np.ndarray | None:
    try:
        with safe_open(path, "np") as file:
            found, sha256 = file.get_tensor("statistics"), (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError, ValueError, TypeError):
        return None
    whole = found.dtype == np.float32 and found.ndim == 3 and len(found) == len(shards)
    return found if whole and sha256 == _hash_statistics(found, shards) else None


def _hash_statistics(found: np.ndarray, shards: Shards) -> str:
    return hashlib.sha256(shards.fingerprint.encode() + np.ascontiguousarray(found).tobytes()).hexdigest()


def compute_world_statistics(shards: Shards) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each WORLD channel over a dump, all frames alike: float32 `(channels,)` each."""
    total, square, count = np.zeros(world.CHANNELS), np.zeros(world.CHANNELS), 0
    for i in range(len(shards)):
        frames = shards.world(i).astype(np.float64)
        total, square, count = total + frames.sum(0), square + (frames**2).sum(0), count + len(frames)
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(square / count - mean**2, 1e-6)).astype(np.float32)


def compute_speaker_pitch(shards: Shards, speakers: list[str]) -> np.ndarray:
    """Return median and deviation of log F0 of each speaker: float32 `(speakers, 2)`; NaN for one never voiced."""
    logs: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in speakers}
    for i, name in enumerate(shards.speakers):
        logs[name].append(shards.world(i)[:, 0].astype(np.float32))
    return np.array([pitch_statistics(np.concatenate(logs[name])) for name in speakers], dtype=np.float32)
