"""Normalise the level of recordings before any model processes them, and restore it in the output.

`normalise` is the one way into a model, in training (`vqspeech dump`) and in inference alike. It removes the offset by
a high-pass filter, and scales the recording so that its speech lies at `LEVEL`. Speech is found relative to the loudest
speech of the recording itself, so that pauses, silence and faint noise change nothing. `restore` is the way out.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from vqspeech import extras
from vqspeech.errors import AudioError

RATE, FRAME = 16_000, 160
"""Samples a second (Hz), and samples of the frames in which power is measured (10 ms)."""
LEVEL = -26.0
"""Mean power of speech frames after `normalise` (dBFS), as ITU-T P.56 has it."""
RANGE = 22.0
"""Frames this far (dB) below the loudest speech do not count for its level, nor those this far below the level as
speech. P.56 has 15.9, which loses the ends of sentences; the noise of a room lies 25 to 45 below."""
SMOOTHING = 15
"""Frames over which the power is smoothed by a median (150 ms): a click is not speech."""
SILENCE = -86.0
"""Recordings whose loudest speech lies below (dBFS) hold none: about the noise of 15 bits."""
CUTOFF = 30.0
"""Cut-off of the high-pass filter (Hz, Butterworth of order 2): voices reach down to 55 Hz."""
_ONSET = RATE // 10
"""Samples whose mean is the first offset of a recording (100 ms)."""
_BLOCK = 1000 * FRAME
SCALE = 32_768
"""Integer samples of a waveform at 1."""


class NormalisedRecording(NamedTuple):
    """A recording as models process it.

    Attributes:
        samples: int16 `(time,)` at 16 kHz: the recording without its offset, times `gain` times `SCALE`.
        gain: Factor of the amplitude; 1 where there is no speech.
    """

    samples: np.ndarray
    gain: float


def normalise(blocks: np.ndarray | Iterable[np.ndarray]) -> NormalisedRecording:
    """Remove offset and level of a recording.

    Args:
        blocks: The waveform, float32 `(time,)` at 16 kHz, in one piece or in consecutive ones.

    Returns:
        The samples with speech at `LEVEL`, and the gain they were given.
    """
    pieces = [*_high_passed([blocks] if isinstance(blocks, np.ndarray) else blocks)]
    gain = speech_gain(np.concatenate([np.zeros(0), *_powers(pieces)]))
    samples = np.empty(sum(map(len, pieces)), np.int16)
    end = len(samples)
    while pieces:  # a long recording is not held twice
        piece = pieces.pop()
        piece *= np.float32(gain * SCALE)
        samples[end - len(piece) : end] = np.clip(np.rint(piece, out=piece), -SCALE, SCALE - 1)
        end -= len(piece)
    return NormalisedRecording(samples, gain)


def to_float(samples: np.ndarray) -> np.ndarray:
    """Return int16 samples as a float32 waveform of the same shape, in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(SCALE)


def frame_powers(wave: np.ndarray) -> np.ndarray:
    """Return the mean power of each frame of a waveform `(time,)`: float64 `(frames,)`, with a partial last frame."""
    wave = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
    return np.einsum("ft,ft->f", wave, wave, dtype=np.float64) / FRAME


def _powers(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the power of each frame of a waveform that comes in consecutive blocks."""
    held = np.zeros(0, np.float32)
    for piece in pieces:
        held = np.concatenate([held, piece])
        whole = len(held) // FRAME * FRAME
        yield frame_powers(held[:whole])
        held = held[whole:]
    yield frame_powers(held)


def _waveforms(samples: np.ndarray) -> Iterator[np.ndarray]:
    return (to_float(samples[start : start + _BLOCK]) for start in range(0, len(samples), _BLOCK))


def smooth_powers(powers: np.ndarray) -> np.ndarray:
    """Return the running median of frame powers `(frames,)` over `SMOOTHING` frames, silence beyond both ends."""
    padded = np.pad(powers, SMOOTHING // 2)
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING), axis=1)


def speech_gain(powers: np.ndarray) -> float:
    """Return the factor of the amplitude at which speech lies at `LEVEL`, given frame powers `(frames,)`.

    The level of speech is the mean of the smoothed powers less than `RANGE` below the largest one. The gain is 1 where
    the largest lies below `SILENCE`.
    """
    smooth = smooth_powers(powers)
    loudest = smooth.max(initial=0.0)
    if loudest < db_to_power(SILENCE):
        return 1.0
    level = smooth[smooth > loudest * db_to_power(-RANGE)].mean()
    return float(np.sqrt(db_to_power(LEVEL) / level))


def restore(sound: np.ndarray, source: NormalisedRecording) -> np.ndarray:
    """Give the output of a model the level of its source, and the silence of its pauses.

    Args:
        sound: Output of a model for `source`, float32 `(time,)`.
        source: The recording that it was made from.

    Returns:
        float32 `(time,)`, at most as long as the source, and at its level. Where the source has no speech, no frame has
        more power than the source.
    """
    cut = NormalisedRecording(source.samples[: len(sound)], source.gain)
    return np.concatenate([np.zeros(0, np.float32), *restore_parts([sound], cut)])


def restore_parts(
    parts: Iterable[np.ndarray], source: NormalisedRecording, keep_pauses: bool = False
) -> Iterator[np.ndarray]:
    """Restore the level of a sound that comes in consecutive blocks, in all as long as the source; yield blocks.

    Args:
        parts: Output of a model, float32 `(time,)` each.
        source: The recording that it was made from.
        keep_pauses: Whether the pauses are those of the source, with breaths and the sound of the room, instead of the
            model's; one fades into the other within a frame.
    """
    powers = np.concatenate([np.zeros(0), *_powers(_waveforms(source.samples))])
    silent = smooth_powers(powers) < db_to_power(LEVEL - RANGE)
    left, frame, before = len(source.samples), 0, None
    held = np.zeros(0, np.float32)
    for part in chain(parts, [None]):
        if part is not None:
            held = np.concatenate([held, part[: max(0, left)]])
            left -= len(part)
        # The gain at the end of a frame is known when the next frame is.
        count = -(-len(held) // FRAME) if part is None else len(held) // FRAME
        done = count if part is None else count - 1
        if done < 1:
            continue
        there = slice(frame, frame + count)
        made = frame_powers(held[: count * FRAME])
        gains = np.ones(count)
        quiet = silent[there]
        if keep_pauses:
            gains[quiet] = 0.0
        else:
            gains[quiet] = np.sqrt(np.minimum(1.0, powers[there][quiet] / np.maximum(made[quiet], 1e-20)))
        edges = np.r_[gains[0] if before is None else before, gains, gains[-1]]
        edges = np.minimum(edges[:-1], edges[1:])  # at both ends of each frame
        contour = np.linspace(edges[:-1], edges[1:], FRAME, endpoint=False, axis=1)[:done].reshape(-1)
        sound, held = held[: done * FRAME], held[done * FRAME :]
        contour = contour[: len(sound)]
        if keep_pauses:
            own = to_float(source.samples[frame * FRAME :][: len(sound)])
            sound = sound * contour + own * (1 - contour)
        else:
            sound = sound * contour
        yield (sound / source.gain).astype(np.float32)
        frame, before = frame + done, gains[done - 1]


def set_loudness(wave: np.ndarray, target: float, rate: int = RATE) -> np.ndarray:
    """Return a waveform at an integrated loudness (ITU-R BS.1770-4, EBU R 128).

    Args:
        wave: float32 `(time,)`.
        target: The loudness (LUFS). Where peaks would be clipped at it, the loudest that clips none.
        rate: Sample rate (Hz).

    Returns:
        float32, the same shape; silence stays as it is.

    Raises:
        AudioError: It is shorter than the 400 ms over which loudness is measured.
        MissingExtra: pyloudnorm is not installed.
    """
    meter = extras.import_extra("pyloudnorm", "loudness").Meter(rate)
    if len(wave) < meter.block_size * rate:
        raise AudioError(f"loudness is measured over {meter.block_size:g} s; there are {len(wave) / rate:.2f} s")
    found = meter.integrated_loudness(wave)
    peak = float(np.abs(wave).max(initial=0.0))
    if not np.isfinite(found) or not peak:
        return wave
    return (wave * min(10.0 ** ((target - found) / 20.0), 1.0 / peak)).astype(np.float32)


def db_to_power(decibels: float) -> float:
    """Return the ratio of powers of a number of decibels."""
    return 10.0 ** (decibels / 10.0)


def _high_passed(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield a waveform, which comes in consecutive blocks, through the high-pass filter.

    The filter starts as if the recording had always had its first offset.
    """
    state, held = None, np.zeros(0)
    for piece in chain(pieces, [None]):
        held = held if piece is None else np.concatenate([held, piece.astype(np.float64)])
        if piece is not None and len(held) < _ONSET:
            continue
        if state is None:
            offset = held[:_ONSET].mean() if len(held) else 0.0
            state = (-_GAIN * offset, _GAIN * offset)
        count = len(held) if piece is None else len(held) // FRAME * FRAME
        frames = np.pad(held[:count], (0, -count % FRAME)).reshape(-1, FRAME)
        moves = frames @ _TO_STATE
        states = np.empty((len(frames), 2))
        for i, (first, second) in enumerate(moves.tolist()):
            states[i] = state
            state = (
                _STATE[0][0] * state[0] + _STATE[0][1] * state[1] + first,
                _STATE[1][0] * state[0] + _STATE[1][1] * state[1] + second,
            )
        yield (frames @ _RESPONSE + states @ _FROM_STATE).reshape(-1)[:count].astype(np.float32)
        held = held[count:]


def high_pass(samples: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, list[list[float]]]:
    """Return the matrices that filter a frame of so many samples at once.

    They do what scipy.signal does, which takes half a second to import.

    Returns:
        The gain of the Butterworth filter; its responses to samples `(samples, samples)` and to its state `(2,
        samples)`; what samples `(samples, 2)` and state `(2, 2)` contribute to the next state.
    """
    warped = math.tan(math.pi * CUTOFF / RATE)  # bilinear transform
    scale = 1 + math.sqrt(2) * warped + warped**2
    gain, first = 1 / scale, 2 * (warped**2 - 1) / scale
    second = (1 - math.sqrt(2) * warped + warped**2) / scale
    step = np.array([[-first, 1.0], [-second, 0.0]])  # transposed direct form II
    enter = gain * np.array([-2 - first, 1 - second])
    powers = [np.eye(2)]
    for _ in range(samples):
        powers.append(step @ powers[-1])
    impulse = np.array([gain, *(float((power @ enter)[0]) for power in powers[: samples - 1])])
    lags = np.arange(samples) - np.arange(samples)[:, None]
    response = np.where(lags >= 0, impulse[lags], 0.0)
    leave = np.stack([power[0] for power in powers[:samples]], 1)
    moved = np.stack([power @ enter for power in powers[samples - 1 :: -1]])
    return gain, response, leave, moved, powers[samples].tolist()


_GAIN, _RESPONSE, _FROM_STATE, _TO_STATE, _STATE = high_pass(FRAME)
