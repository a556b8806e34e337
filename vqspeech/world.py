"""The WORLD vocoder as a matrix of 100 frames a second, and back to sound.

Morise, Yokomori, Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system", 2016; `pyworld` does the work.
A frame has `CHANNELS` numbers: natural-log F0 (0 where unvoiced), coded aperiodicity (dB, one band at 16 kHz), and
`ENVELOPE` mel-cepstral coefficients of the log spectral envelope.
"""

from functools import lru_cache

import numpy as np

from vqspeech.audio import RATE

FRAME = 160
"""Samples between frames (10 ms)."""
ENVELOPE = 40
"""Coefficients of the coded spectral envelope."""
CHANNELS = 2 + ENVELOPE
"""Numbers a frame: log F0, aperiodicity, envelope."""
_FFT = 1024
_MINUTE = 6000  # frames


def frames_in(samples: int) -> int:
    """Number of frames that cover `samples` samples."""
    return -(-samples // FRAME)


def log_f0(wave: np.ndarray) -> np.ndarray:
    """Natural log of F0 in Hz, 0 where unvoiced: float64 `(frames,)` (DIO and StoneMask), a minute at a time."""
    wave = _padded(wave)
    step, margin = _MINUTE * FRAME, 100 * FRAME
    logs = []
    for start in range(0, len(wave), step):
        first = max(0, start - margin)
        piece = _log_f0(wave[first : start + step + margin])
        logs.append(piece[(start - first) // FRAME :][:_MINUTE])
    return np.concatenate(logs)


def _log_f0(wave: np.ndarray) -> np.ndarray:
    import pyworld

    f0, times = pyworld.dio(wave, RATE, frame_period=1000 * FRAME / RATE)
    f0 = pyworld.stonemask(wave, f0, times, RATE)[: len(wave) // FRAME]
    return np.where(f0 > 0, np.log(np.maximum(f0, 1.0)), 0.0)


def analysis(wave: np.ndarray) -> np.ndarray:
    """WORLD frames of a waveform: float32 `(frames, CHANNELS)`, `frames_in(samples)` of them."""
    import pyworld

    wave = _padded(wave)
    logs = log_f0(wave)
    f0 = np.where(logs > 0, np.exp(logs), 0.0)
    times = np.arange(len(f0)) * (FRAME / RATE)
    envelope = pyworld.cheaptrick(wave, f0, times, RATE, fft_size=_FFT)
    aperiodicity = pyworld.d4c(wave, f0, times, RATE, fft_size=_FFT)
    coded = pyworld.code_spectral_envelope(envelope, RATE, ENVELOPE)
    return np.column_stack([logs, pyworld.code_aperiodicity(aperiodicity, RATE), coded]).astype(np.float32)


def synthesis(frames: np.ndarray) -> np.ndarray:
    """The waveform of WORLD frames `(frames, CHANNELS)`: float32, `FRAME` samples a frame."""
    import pyworld

    frames = np.ascontiguousarray(frames, dtype=np.float64)
    f0 = np.where(frames[:, 0] > 0, np.exp(frames[:, 0]), 0.0)
    coded_aperiodicity = np.ascontiguousarray(np.minimum(frames[:, 1:2], 0.0))
    aperiodicity = pyworld.decode_aperiodicity(coded_aperiodicity, RATE, _FFT)
    aperiodicity[f0 == 0] = 1.0
    envelope = pyworld.decode_spectral_envelope(np.ascontiguousarray(frames[:, 2:]), RATE, _FFT)
    wave = pyworld.synthesize(f0, envelope, aperiodicity, RATE, frame_period=1000 * FRAME / RATE)
    return wave[: len(frames) * FRAME].astype(np.float32)


def log_envelope(coded: np.ndarray) -> np.ndarray:
    """Natural log of the power spectra that coded envelopes `(frames, ENVELOPE)` stand for: float32 `(frames, bins)`,
    bins from 0 to 8 kHz. It is linear in them."""
    return coded.astype(np.float32) @ log_spectra()


@lru_cache(maxsize=1)
def log_spectra() -> np.ndarray:
    """What each coefficient of a coded envelope adds to the natural log of the power spectrum: float32 `(ENVELOPE,
    bins)`, bins from 0 to 8 kHz. Needs pyworld."""
    import pyworld

    return np.log(pyworld.decode_spectral_envelope(np.eye(ENVELOPE), RATE, _FFT)).astype(np.float32)


def pitch_statistics(logs: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of log F0 over the voiced frames; (nan, nan) where none is voiced."""
    voiced = logs[logs > 0]
    return (float(voiced.mean()), float(voiced.std())) if len(voiced) else (float("nan"), float("nan"))


def _padded(wave: np.ndarray) -> np.ndarray:
    wave = np.asarray(wave, dtype=np.float64)
    return np.pad(wave, (0, frames_in(len(wave)) * FRAME - len(wave)))
