"""Log F0: the pitch range of a voice, and a pitch contour moved into the range of another voice.

Contours are natural-log F0 every 10 ms, 0 where unvoiced (`world.extract_log_f0`). A range is the median and the median
absolute deviation, scaled to the standard deviation of a normal distribution: octave errors of a tracker, which are a
few frames far off, hardly move either.
"""

import math
from collections.abc import Sequence

import numpy as np

SEMITONES = 12 / math.log(2)
"""Semitones in one unit of natural-log F0."""
NARROWEST, WIDEST = 0.5, 2.0
"""Limits of the factor by which the range of a contour is changed."""
FARTHEST = 3.0
"""Largest distance of a contour from the median of its new voice (deviations)."""
_NORMAL = 1.4826  # the standard deviation of a normal distribution over its median absolute deviation
_AROUND = 25  # voiced frames on either side whose median shows an octave error
_SLIP = 0.55  # of log F0, nearly an octave: farther from its neighbours' median than speech gets within 250 ms


def pitch_statistics(logs: np.ndarray) -> tuple[float, float]:
    """Return median and deviation (1.4826 × median absolute deviation) of log F0 over the voiced frames.

    Args:
        logs: log F0 `(frames,)`, 0 where unvoiced.

    Returns:
        Both in nats; (nan, nan) where no frame is voiced.
    """
    voiced = logs[logs > 0]
    if not len(voiced):
        return float("nan"), float("nan")
    median = np.median(voiced)
    return float(median), float(_NORMAL * np.median(np.abs(voiced - median)))


def transfer_pitch(
    logs: np.ndarray, target: Sequence[float] | np.ndarray, source: Sequence[float] | None = None
) -> np.ndarray:
    """Return a source's log F0 in the range of a target speaker, interpolated through unvoiced frames.

    (log F0 − m_source) · s + m_target, where s is σ_target / σ_source between `NARROWEST` and `WIDEST`; the result
    stays within `FARTHEST` σ_target of m_target. Octave errors are corrected first.

    Args:
        logs: log F0 of the source `(frames,)`, 0 where unvoiced.
        target: Median and deviation of the target's log F0, as `pitch_statistics` returns them.
        source: The same of the source speaker; None: those of `logs` itself.

    Returns:
        float32 `(frames,)`; all zero where the source is never voiced, or the target never was.
    """
    logs = correct_octaves(logs)
    middle, deviation = pitch_statistics(logs) if source is None else source
    voiced = logs > 0
    if not voiced.any() or not np.isfinite([middle, deviation, *target]).all():
        return np.zeros(len(logs), dtype=np.float32)
    contour = continuous_pitch(logs)
    scale = np.clip(target[1] / max(deviation, 1e-6), NARROWEST, WIDEST)
    moved = np.clip((contour - middle) * scale, -FARTHEST * target[1], FARTHEST * target[1])
    return (moved + target[0]).astype(np.float32)


def continuous_pitch(logs: np.ndarray) -> np.ndarray:
    """Return log F0 `(frames,)` with straight lines through unvoiced frames; all zero where none is voiced."""
    voiced, frames = logs > 0, np.arange(len(logs))
    if not voiced.any():
        return np.zeros(len(logs))
    return np.interp(frames, frames[voiced], logs[voiced])


def correct_octaves(logs: np.ndarray) -> np.ndarray:
    """Return log F0 `(frames,)` with frames about an octave off their neighbours moved by whole octaves."""
    corrected = np.array(logs, dtype=np.float64)
    voiced = corrected > 0
    values = corrected[voiced]
    if len(values):
        around = np.lib.stride_tricks.sliding_window_view(np.pad(values, _AROUND, mode="edge"), 2 * _AROUND + 1)
        apart = values - np.median(around, axis=1)
        octaves = np.where(np.abs(apart) > _SLIP, np.round(apart / math.log(2)), 0.0)
        corrected[voiced] = values - octaves * math.log(2)
    return corrected


def make_declination_contour(frames: int, speaker: np.ndarray) -> np.ndarray:
    """Return a pitch contour for codes that nobody has spoken: log F0 falls linearly (declination of statements).

    It carries no information about words and phrases.

    Args:
        frames: Number of frames.
        speaker: Median and deviation of the speaker's log F0.

    Returns:
        float32 `(frames,)`, from one deviation above the median to one below; all zero where the speaker was never
        voiced.
    """
    middle, deviation = np.nan_to_num(speaker)
    return np.linspace(middle + deviation, middle - deviation, frames, dtype=np.float32)
