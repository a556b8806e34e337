"""What became of the pitch: that of one rendering beside that of another, and of a voice.

Pitch is log F0 every 10 ms, 0 where unvoiced (`world.log_f0`: DIO and StoneMask). Rates of the pitch tracker's own
errors are in all figures; those of the µ-law copy show how large they are.
"""

import math

import numpy as np

from vqspeech import world

SEMITONES = 12 / math.log(2)
"""Semitones in one unit of natural-log F0."""
FEWEST = 10
"""Voiced frames that a mean, a deviation or a correlation takes."""


def against_voice(logs: np.ndarray, voice: np.ndarray) -> dict[str, float]:
    """A clip's pitch beside all that is known of a voice's, log F0 `(frames,)` each: {"distance": |difference of the
    means| in semitones, "deviation": ratio of the standard deviations}; what takes more voiced frames is left out."""
    if min((logs > 0).sum(), (voice > 0).sum()) < FEWEST:
        return {}
    (mean, deviation), (own, spread) = world.pitch_statistics(logs), world.pitch_statistics(voice)
    found = {"distance": SEMITONES * abs(mean - own)}
    return found | ({"deviation": deviation / spread} if spread else {})


def against_source(logs: np.ndarray, source: np.ndarray) -> dict[str, float]:
    """A clip's pitch beside that of what it says again, frame by frame: {"distance" in semitones, as above; "voicing":
    share of frames that are voiced in both or in none; "correlation" (Pearson) of log F0 where both are voiced}.

    What one has more frames of is not compared; what takes more voiced frames is left out.
    """
    frames = min(len(logs), len(source))
    a, b = logs[:frames], source[:frames]
    found: dict[str, float] = {}
    if frames:
        found["voicing"] = float(((a > 0) == (b > 0)).mean())
    distance = against_voice(logs, source).get("distance")
    if distance is not None:
        found["distance"] = distance
    both = (a > 0) & (b > 0)
    if both.sum() >= FEWEST and a[both].std() > 1e-6 and b[both].std() > 1e-6:
        found["correlation"] = float(np.corrcoef(a[both], b[both])[0, 1])
    return found
