"""Spectral envelopes of a dump as vectors to quantise, and back.

The coded envelope of a WORLD frame is the cosine transform of the log spectrum on a mel axis. So Euclidean distance
between vectors is log spectral distance on that axis, up to a factor, and one scale serves all coefficients: whitening
them would make fine ripples count as much as formants. The level (the coefficient c0) is kept apart, as in speech
coders: a code gives the shape of a spectrum, not its loudness.
"""

from typing import NamedTuple

import numpy as np

from vqspeech import world
from vqspeech.data.dump import Shards
from vqspeech.errors import ShardError

DIMENSION = world.ENVELOPE - 1
"""Dimension of a vector."""
FLOOR = -40.0
"""Frames so far (dB) below the loudest of the recording are silence and give no vectors."""
_SHAPE = slice(world.CHANNELS - DIMENSION, world.CHANNELS)


class Normalisation(NamedTuple):
    """The map from envelopes to vectors.

    Attributes:
        mean: float32 `(DIMENSION,)`, subtracted from each vector.
        scale: Divisor of all numbers.
    """

    mean: np.ndarray
    scale: float

    def to_vectors(self, frames: np.ndarray) -> np.ndarray:
        """Return the vectors of WORLD frames `(frames, CHANNELS)`: float32 `(frames, DIMENSION)`."""
        return (frames[:, _SHAPE].astype(np.float32) - self.mean) / self.scale

    def to_frames(self, frames: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return WORLD frames with the envelopes of `vectors`, all else unchanged: float32 `(frames, CHANNELS)`."""
        replaced = frames.astype(np.float32)
        replaced[:, _SHAPE] = vectors * self.scale + self.mean
        return replaced


def fit_normalisation(frames: np.ndarray) -> Normalisation:
    """Return the normalisation that gives the vectors of `frames` zero mean and numbers of mean square one.

    Raises:
        ShardError: All envelopes are the same.
    """
    shapes = frames[:, _SHAPE].astype(np.float64)
    scale = float(np.sqrt(shapes.var(axis=0).mean())) if len(shapes) else 0.0
    if not scale > 0:
        raise ShardError("fewer than two different spectral envelopes; dump recordings that hold speech")
    return Normalisation(shapes.mean(axis=0).astype(np.float32), scale)


def find_active_frames(frames: np.ndarray) -> np.ndarray:
    """Return which WORLD frames `(frames, CHANNELS)` of a recording are not silence: bool `(frames,)`."""
    power = np.exp(world.decode_log_envelope(frames[:, 2:])).mean(axis=1)
    level = 10 * np.log10(np.maximum(power, 1e-20))
    return level > level.max() + FLOOR


def read_active_frames(dump: Shards, number: int | None = None) -> np.ndarray:
    """Return the WORLD frames of a dump that are not silence: float16 `(frames, CHANNELS)`.

    Args:
        dump: The dump.
        number: At most so many, spread evenly.

    Raises:
        ShardError: The dump has no WORLD frames.
    """
    require_world(dump)
    kept = [frames[find_active_frames(frames)] for frames in map(dump.world, range(len(dump)))]
    frames = np.concatenate(kept)
    if number is None or number >= len(frames):
        return frames
    return frames[np.arange(number) * len(frames) // number]


def require_world(dump: Shards) -> None:
    """Check that a dump has WORLD frames.

    Raises:
        ShardError: It has none.
    """
    if not dump.world_maps:
        raise ShardError(f"{dump.path}: has no WORLD frames; dump it again: vqspeech dump --world")
