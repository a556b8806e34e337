"""How close a rendering comes to a recording that it should be the same as: PESQ and STOI.

Both compare sample by sample, so a rendering must be in time with its reference; neither is for converted voices.
"""

import warnings

import numpy as np

from vqspeech import extras
from vqspeech.audio import RATE
from vqspeech.errors import AudioError

PACKAGES = ("pesq", "pystoi")
"""What the figures depend on."""


def require_packages() -> None:
    """Require the packages of PESQ and STOI: better before long work than after.

    Raises:
        MissingExtra: One of them is not installed.
    """
    for package in PACKAGES:
        extras.import_extra(package, "study")


def pesq(reference: np.ndarray, wave: np.ndarray) -> float:
    """Wide-band PESQ (ITU-T P.862.2), a guess at listeners' mean opinion from 1.0, bad, to 4.64, no difference.

    Waveforms are float32 `(samples,)` at 16 kHz; what one has more of is not compared. Raises `AudioError` where no
    speech is found or the two are shorter than a quarter of a second, and `MissingExtra`.
    """
    package = extras.import_extra("pesq", "study")
    reference, wave = _paired(reference, wave)
    try:
        return float(package.pesq(RATE, reference, wave, "wb"))
    except package.PesqError as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise AudioError(f"PESQ cannot compare the two ({reason}); leave this recording out") from None


def stoi(reference: np.ndarray, wave: np.ndarray) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), up to 1, no difference.

    Waveforms are float32 `(samples,)` at 16 kHz; what one has more of is not compared. Raises `AudioError` where the
    reference has less than 0.4 s of speech, and `MissingExtra`.
    """
    package = extras.import_extra("pystoi", "study")
    reference, wave = _paired(reference, wave)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = float(package.stoi(reference, wave, RATE))
    if any(issubclass(one.category, RuntimeWarning) and "STFT frames" in str(one.message) for one in caught):
        raise AudioError("STOI needs 0.4 s of speech in the reference; leave this recording out")
    return value


def _paired(reference: np.ndarray, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples = min(len(reference), len(wave))
    if samples < RATE // 4 or not np.any(reference[:samples]) or not np.any(wave[:samples]):
        raise AudioError("no speech to compare: silent, or shorter than 0.25 s; leave this recording out")
    return np.asarray(reference[:samples], np.float32), np.asarray(wave[:samples], np.float32)
