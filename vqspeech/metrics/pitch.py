"""What became of the pitch: that of one rendering beside that of another, and of a voice.

Pitch is log F0 every 10 ms, 0 where unvoiced (`world.extract_log_f0`: DIO and StoneMask). Rates of the pitch tracker's
own errors are in all figures; those of the µ-law copy show how large they are.
"""

import numpy as np

from vqspeech.pitch import SEMITONES, pitch_statistics

FEWEST = 10
"""Voiced frames that a median, a deviation or a correlation takes."""


def against_voice(logs: np.ndarray, voice: np.ndarray) -> dict[str, float]:
    """A clip's pitch beside all that is known of a voice's, log F0 `(frames,)` each: {"distance": |difference of the
    medians| in semitones, "deviation": ratio of the deviations}; what takes more voiced frames is left out."""
    if min((logs > 0).sum(), (voice > 0).sum()) < FEWEST:
        return {}
    (middle, deviation), (own, spread) = pitch_statistics(logs), pitch_statistics(voice)
    found = {"distance": SEMITONES * abs(middle - own)}
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
