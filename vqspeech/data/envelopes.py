"""Spectral envelopes of a dump as vectors to quantise, and back.

The coded envelope of a WORLD frame is the cosine transform of the log spectrum on a mel axis, so Euclidean distance
between vectors is log spectral distance on that axis, but for a factor, and one scale serves all coefficients:
whitening them would make fine ripples count as much as formants. The level (the coefficient c0) is kept apart, as
speech coders do: a code says the shape of a spectrum, not how loud it is.
"""

from typing import NamedTuple

import numpy as np

from vqspeech import world
from vqspeech.data.dump import Shards
from vqspeech.errors import ShardError

DIMENSION = world.ENVELOPE - 1
"""Numbers a vector."""
FLOOR = -40.0
"""Frames this far (dB) below the loudest of the recording count as silence and are no vectors."""
_SHAPE = slice(world.CHANNELS - DIMENSION, world.CHANNELS)


class Normalisation(NamedTuple):
    """What is taken from each vector, `mean` float32 `(DIMENSION,)`, and what all numbers are divided by, `scale`."""

    mean: np.ndarray
    scale: float

    def to_vectors(self, frames: np.ndarray) -> np.ndarray:
        """The vectors of WORLD frames `(frames, CHANNELS)`: float32 `(frames, DIMENSION)`."""
        return (frames[:, _SHAPE].astype(np.float32) - self.mean) / self.scale

    def to_frames(self, frames: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """WORLD frames with the envelopes of `vectors`, all else as it is: float32 `(frames, CHANNELS)`."""
        replaced = frames.astype(np.float32)
        replaced[:, _SHAPE] = vectors * self.scale + self.mean
        return replaced


def fit_normalisation(frames: np.ndarray) -> Normalisation:
    """The normalisation that gives the vectors of `frames` mean zero, and numbers of mean square one.

    Raises `ShardError` where the envelopes do not differ.
    """
    shapes = frames[:, _SHAPE].astype(np.float64)
    scale = float(np.sqrt(shapes.var(axis=0).mean())) if len(shapes) else 0.0
    if not scale > 0:
        raise ShardError("fewer than two different spectral envelopes; dump recordings that hold speech")
    return Normalisation(shapes.mean(axis=0).astype(np.float32), scale)


def find_active_frames(frames: np.ndarray) -> np.ndarray:
    """Which WORLD frames `(frames, CHANNELS)` of a recording are no silence: bool `(frames,)`."""
    power = np.exp(world.decode_log_envelope(frames[:, 2:])).mean(axis=1)
    level = 10 * np.log10(np.maximum(power, 1e-20))
    return level > level.max() + FLOOR


def read_active_frames(dump: Shards, number: int | None = None) -> np.ndarray:
    """WORLD frames of a dump that are no silence, at most `number` of them spread evenly: float16 `(frames, CHANNELS)`.

    Raises `ShardError` where the dump has no WORLD frames.
    """
    require_world(dump)
    kept = [frames[find_active_frames(frames)] for frames in map(dump.world, range(len(dump)))]
    frames = np.concatenate(kept)
    if number is None or number >= len(frames):
        return frames
    return frames[np.arange(number) * len(frames) // number]


def require_world(dump: Shards) -> None:
    """Raises `ShardError` where a dump has no WORLD frames."""
    if not dump.world_maps:
        raise ShardError(f"{dump.path}: has no WORLD frames; dump it again: vqspeech dump --world")
