"""The level of recordings: offset and level are taken off before any model sees them, and given back to what it says.

`normalise` is the one way into a model, in training (`vqspeech dump`) and in inference alike. A recording is
high-passed, so that an offset is gone, and scaled so that its speech lies at `LEVEL`; what counts as speech is found
relative to the loudest speech of the recording itself, so pauses, silence and faint noise around it change nothing.
`restore` is the way out.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

RATE, FRAME = 16_000, 160
"""Samples a second (Hz), and samples of the frames in which power is measured (10 ms)."""
LEVEL = -26.0
"""Mean power of speech frames after `normalise` (dBFS), as ITU-T P.56 has it."""
RANGE = 22.0
"""Frames this far (dB) below the loudest speech do not count for its level, nor those this far below the level as
speech. P.56 has 15.9, which loses the ends of sentences; the noise of a room lies 25 to 45 below."""
SMOOTHING = 15
"""Frames over which the power is smoothed by a median (150 ms): a click is no speech."""
SILENCE = -86.0
"""Recordings whose loudest speech lies below (dBFS) hold none: about the noise of 15 bits."""
CUTOFF = 30.0
"""Cut-off of the high-pass filter (Hz, Butterworth of order 2): voices reach down to 55 Hz."""
_ONSET = RATE // 10
"""Samples of whose mean a recording's first offset is (100 ms)."""
SCALE = 32_768
"""Integer samples of a waveform at 1."""


class Normalised(NamedTuple):
    """A recording as models see it: `samples` int16 `(time,)` at 16 kHz, which are the recording without its offset
    times `gain` times `SCALE`. The gain is 1 where there is no speech."""

    samples: np.ndarray
    gain: float


def normalise(blocks: np.ndarray | Iterable[np.ndarray]) -> Normalised:
    """Remove offset and level of a recording.

    Args:
        blocks: The waveform, float32 `(time,)` at 16 kHz, in one piece or in consecutive ones.

    Returns:
        The samples with speech at `LEVEL`, and the gain they were given.
    """
    pieces = [blocks] if isinstance(blocks, np.ndarray) else blocks
    wave = np.concatenate([np.zeros(0, np.float32), *_high_passed(pieces)])
    gain = speech_gain(frame_powers(wave))
    wave *= np.float32(gain * SCALE)
    return Normalised(np.clip(np.rint(wave, out=wave), -SCALE, SCALE - 1).astype(np.int16), gain)


def waveform(samples: np.ndarray) -> np.ndarray:
    """Return int16 samples as a float32 waveform of the same shape, in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(SCALE)


def frame_powers(wave: np.ndarray) -> np.ndarray:
    """Return the mean power of each frame of a waveform `(time,)`: float64 `(frames,)`, a last part frame included."""
    wave = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
    return np.einsum("ft,ft->f", wave, wave, dtype=np.float64) / FRAME


def smooth_powers(powers: np.ndarray) -> np.ndarray:
    """Return the running median of frame powers `(frames,)` over `SMOOTHING` frames, silence beyond both ends."""
    padded = np.pad(powers, SMOOTHING // 2)
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING), axis=1)


def speech_gain(powers: np.ndarray) -> float:
    """Return what frame powers `(frames,)` have to be scaled by, in amplitude, for speech to lie at `LEVEL`.

    The level is the mean of the smoothed powers less than `RANGE` below the largest one. The gain is 1 where the
    largest lies below `SILENCE`.
    """
    smooth = smooth_powers(powers)
    loudest = smooth.max(initial=0.0)
    if loudest < ratio(SILENCE):
        return 1.0
    level = smooth[smooth > loudest * ratio(-RANGE)].mean()
    return float(np.sqrt(ratio(LEVEL) / level))


def restore(sound: np.ndarray, source: Normalised) -> np.ndarray:
    """Give what a model says the level of its source, and the silence of its pauses.

    Args:
        sound: What the model made of `source`, float32 `(time,)`, no longer than it.
        source: The recording it was made of.

    Returns:
        float32 `(time,)`, at the source's level. Where the source does not speak, no frame has more power than the
        source's own.
    """
    given = waveform(source.samples[: len(sound)])
    powers = frame_powers(given)
    silent = smooth_powers(powers) < ratio(LEVEL - RANGE)
    made = frame_powers(sound)
    gains = np.ones(len(made))
    gains[silent] = np.sqrt(np.minimum(1.0, powers[silent] / np.maximum(made[silent], 1e-20)))
    edges = np.minimum(np.r_[gains[:1], gains], np.r_[gains, gains[-1:]])  # at both ends of each frame
    contour = np.linspace(edges[:-1], edges[1:], FRAME, endpoint=False, axis=1).reshape(-1)[: len(sound)]
    return (sound * contour / source.gain).astype(np.float32)


def ratio(decibels: float) -> float:
    """Return the ratio of powers that a number of decibels stands for."""
    return 10.0 ** (decibels / 10.0)


def _high_passed(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    from scipy.signal import butter, sosfilt, sosfilt_zi

    filters = butter(2, CUTOFF, "highpass", fs=RATE, output="sos")
    state, held = None, np.zeros(0)
    for piece in chain(pieces, [None]):
        held = held if piece is None else np.concatenate([held, piece.astype(np.float64)])
        if state is None and len(held) < _ONSET and piece is not None:
            continue
        if state is None and len(held):  # as if the recording had always had the offset that it begins with
            state = sosfilt_zi(filters) * held[:_ONSET].mean()
        if len(held):
            filtered, state = sosfilt(filters, held, zi=state)
            yield filtered.astype(np.float32)
        held = np.zeros(0)
