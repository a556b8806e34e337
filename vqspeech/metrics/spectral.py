"""Spectral distortion: how far quantised spectral envelopes are from the original ones, in dB.

Paliwal, Atal, "Efficient vector quantization of LPC parameters at 24 bits/frame", 1993: its mean over frames, and the
share of frames that are far off, the outliers; about 1 dB, hardly any above 2 and none above 4 dB, is not heard.
"""

from typing import NamedTuple

import numpy as np

_DECIBELS = 10 / np.log(10)


class Distortion(NamedTuple):
    """Mean over frames (dB), and the shares of frames above 2 and above 4 dB."""

    mean: float
    above2: float
    above4: float


def spectral_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """dB between the frames of two series of power spectra, given as natural logs `(frames, bins)`: `(frames,)`.

    The root mean square over bins of 10 log10 P(ω) − 10 log10 P'(ω): the whole band counts, on a linear axis.
    """
    return _DECIBELS * np.sqrt(np.square(a - b).mean(axis=1, dtype=np.float64))


def distortion(distances: np.ndarray) -> Distortion:
    """The spectral distortion of frames that are so many dB off, `(frames,)`."""
    return Distortion(float(distances.mean()), float((distances > 2).mean()), float((distances > 4).mean()))
