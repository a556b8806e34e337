"""Compare spectrum and pitch of two renderings of the same words.

Mel-cepstral distance: Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993, of the
WORLD (CheapTrick) envelope on a mel axis, so that the harmonics of F0 do not count. Figures of other systems compare
only where analysis, order and silence are the same.

Spectral distortion: Paliwal and Atal, "Efficient vector quantization of LPC parameters at 24 bits/frame", 1993: its
mean over frames, and the share of frames that are far off, the outliers. About 1 dB, hardly any above 2 and none above
4 dB, is not heard.

Pitch is log F0 every 10 ms, 0 where unvoiced (`world.extract_log_f0`: DIO and StoneMask). Errors of the pitch tracker
are part of all figures; those of the µ-law copy show how large they are.
"""

from typing import NamedTuple

import numpy as np

from vqspeech.audio import RATE
from vqspeech.errors import AudioError
from vqspeech.pitch import SEMITONES, pitch_statistics

ORDER = 24
"""Highest cepstral coefficient; the zeroth, loudness, is left out."""
FRAME = 0.005
"""Seconds between frames."""
FLOOR = -40.0
"""Frames this far (dB) below the loudest of the recording count as silence and are left out."""
_MEL_POINTS = 128


def mel_cepstral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean distance in dB between two waveforms (float32, 16 kHz) along their best alignment in time.

    With ln|H(ω)| = Σ c_m cos(mω) on the mel axis, a pair of frames is (10 / ln 10) √(2 Σ_{m=1..24} (c_m − c'_m)²) dB
    apart: the root mean square difference of the two smooth log spectra without their gain. Steps of the alignment are
    (1,1), (1,0), (0,1), all of weight one, chosen to minimise the sum, which is divided by the number of pairs.

    Raises:
        AudioError: A recording is silent or shorter than a frame.
    """
    first, second = mel_cepstrum(a), mel_cepstrum(b)
    return warped_mean_distance(frame_distances(first, second))


def framewise_distance(recording: np.ndarray, rendering: np.ndarray) -> float:
    """Return the mean distance in dB frame by frame, of a rendering that should say the same at the same time.

    Frames count that are not silent in the recording; what one waveform has more of is not compared. Warping would
    repair errors of timing.

    Raises:
        AudioError: As in `mel_cepstral_distance`.
    """
    first, second = (_envelope(wave) for wave in (recording, rendering))
    frames = min(len(first), len(second))
    level = _level(first)[:frames]
    kept = level > level.max() + FLOOR
    a, b = (envelope_cepstrum(power[:frames][kept]) for power in (first, second))
    return float((10 / np.log(10) * np.sqrt(2 * ((a - b) ** 2).sum(axis=1))).mean())


def mel_cepstrum(wave: np.ndarray) -> np.ndarray:
    """Return coefficients 1 … `ORDER` of the frames that are not silent: float64 `(frames, ORDER)`."""
    power = _envelope(wave)
    level = _level(power)
    return envelope_cepstrum(power[level > level.max() + FLOOR])


def _level(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power.mean(axis=1))


def _envelope(wave: np.ndarray) -> np.ndarray:
    """Return the CheapTrick envelope, power spectra `(frames, bins)`."""
    import pyworld

    wave = np.asarray(wave, dtype=np.float64)
    if len(wave) < FRAME * RATE or not wave.any():
        raise AudioError("no speech to compare: the recording is silent or shorter than 5 ms; leave it out")
    f0, times = pyworld.dio(wave, RATE, frame_period=1000 * FRAME)
    f0 = pyworld.stonemask(wave, f0, times, RATE)
    return pyworld.cheaptrick(wave, f0, times, RATE)


def envelope_cepstrum(power: np.ndarray) -> np.ndarray:
    """Return coefficients 1 … `ORDER` of power spectra `(frames, bins)` over 0 … 8 kHz: float64 `(frames, ORDER)`."""
    top = 1127 * np.log1p(RATE / 2 / 700)
    middles = (np.arange(_MEL_POINTS) + 0.5) / _MEL_POINTS
    hertz = 700 * np.expm1(middles * top / 1127)
    places = hertz / (RATE / 2) * (power.shape[1] - 1)
    left = np.minimum(places.astype(int), power.shape[1] - 2)
    share = places - left
    log = 0.5 * np.log(np.maximum(power, 1e-20))  # ln|H|
    log = log[:, left] * (1 - share) + log[:, left + 1] * share  # (frames, mel points)
    cosines = np.cos(np.pi * np.outer(middles, np.arange(1, ORDER + 1)))  # (mel points, ORDER)
    return 2 / _MEL_POINTS * log @ cosines


def frame_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return dB between all frames of `a` `(n, ORDER)` and `b` `(m, ORDER)`: `(n, m)`."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return 10 / np.log(10) * np.sqrt(2 * np.maximum(squares, 0.0))


def warped_mean_distance(distances: np.ndarray) -> float:
    """Return the mean of `distances` `(n, m)` along the path from (0, 0) to (n-1, m-1) whose sum is least.

    Computed along the anti-diagonals, whose cells do not depend on each other. Among equal sums the diagonal step wins.
    """
    n, m = distances.shape
    # cost[i], steps[i]: least sum and number of pairs of a path that ends in row i of the diagonal, one row of padding
    before2 = (np.full(n + 1, np.inf), np.zeros(n + 1))
    before2[0][0] = 0.0
    before = (np.full(n + 1, np.inf), np.zeros(n + 1))
    for diagonal in range(n + m - 1):
        rows = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        choices = np.stack([before2[0][rows], before[0][rows], before[0][rows + 1]])  # from (-1,-1), (-1,0), (0,-1)
        counts = np.stack([before2[1][rows], before[1][rows], before[1][rows + 1]])
        best = choices.argmin(axis=0)
        cost, steps = np.full(n + 1, np.inf), np.zeros(n + 1)
        cost[rows + 1] = np.take_along_axis(choices, best[None], 0)[0] + distances[rows, diagonal - rows]
        steps[rows + 1] = np.take_along_axis(counts, best[None], 0)[0] + 1
        before2, before = before, (cost, steps)
    return float(before[0][n] / before[1][n])


_DECIBELS = 10 / np.log(10)


class SpectralDistortion(NamedTuple):
    """Mean over frames (dB), and the shares of frames above 2 and above 4 dB."""

    mean: float
    above2: float
    above4: float


def spectral_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return dB between the frames of two series of power spectra, given as natural logs `(frames, bins)`: `(frames,)`.

    The root mean square over bins of 10 log10 P(ω) − 10 log10 P'(ω): the whole band counts, on a linear axis.
    """
    return _DECIBELS * np.sqrt(np.square(a - b).mean(axis=1, dtype=np.float64))


def spectral_distortion(distances: np.ndarray) -> SpectralDistortion:
    """Return the spectral distortion of frames that are so many dB off, `(frames,)`."""
    return SpectralDistortion(float(distances.mean()), float((distances > 2).mean()), float((distances > 4).mean()))


FEWEST = 10
"""Voiced frames that a median, a deviation or a correlation takes."""


def compare_with_voice(logs: np.ndarray, voice: np.ndarray) -> dict[str, float]:
    """Compare a clip's pitch with all recordings of a voice, log F0 `(frames,)` each.

    Returns:
        "distance", |difference of the medians| in semitones; "deviation", the ratio of the deviations. What needs more
        voiced frames is left out.
    """
    if min((logs > 0).sum(), (voice > 0).sum()) < FEWEST:
        return {}
    (middle, deviation), (own, spread) = pitch_statistics(logs), pitch_statistics(voice)
    found = {"distance": SEMITONES * abs(middle - own)}
    return found | ({"deviation": deviation / spread} if spread else {})


def compare_with_source(logs: np.ndarray, source: np.ndarray) -> dict[str, float]:
    """Compare a clip's pitch with that of its source, frame by frame.

    What one has more frames of is not compared.

    Returns:
        "distance" in semitones, as in `compare_with_voice`; "voicing", the share of frames that are voiced in both or
        in none; "correlation" (Pearson) of log F0 where both are voiced. What needs more voiced frames is left out.
    """
    frames = min(len(logs), len(source))
    a, b = logs[:frames], source[:frames]
    found: dict[str, float] = {}
    if frames:
        found["voicing"] = float(((a > 0) == (b > 0)).mean())
    distance = compare_with_voice(logs, source).get("distance")
    if distance is not None:
        found["distance"] = distance
    both = (a > 0) & (b > 0)
    if both.sum() >= FEWEST and a[both].std() > 1e-6 and b[both].std() > 1e-6:
        found["correlation"] = float(np.corrcoef(a[both], b[both])[0, 1])
    return found
