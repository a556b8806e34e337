"""The WORLD vocoder: analysis of a waveform into 100 frames a second, and synthesis.

Morise, Yokomori, Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system", 2016; computed by `pyworld`.
A frame has `CHANNELS` numbers: natural-log F0 (0 where unvoiced), coded aperiodicity (dB, one band at 16 kHz), and
`ENVELOPE` mel-cepstral coefficients of the log spectral envelope.
"""

from functools import lru_cache

import numpy as np

from vqspeech import loudness
from vqspeech.audio import RATE
from vqspeech.progress import track

FRAME = 160
"""Samples between frames (10 ms)."""
ENVELOPE = 40
"""Coefficients of the coded spectral envelope."""
CHANNELS = 2 + ENVELOPE
"""Numbers a frame: log F0, aperiodicity, envelope."""
LOWEST_F0, HIGHEST_F0 = 50.0, 550.0
"""Range of F0 (Hz) that is searched."""
_HUM_FREE = 71.0  # Hz; no mains hum from here on
_SPEECH_FROM = 100.0  # Hz; the fundamental of a hum is below it
_REPEATING = 0.5  # normalised autocorrelation at the period
_UNLIKE = 0.1  # by which it is above that at a half to a quarter of the period
_QUIET = 1e-3  # of the mean energy of speech (-30 dB)
_PIECE = 1000  # frames that are correlated at once
_FFT = 1024
_MINUTE = 6000  # frames


def count_frames(samples: int) -> int:
    """Return the number of frames that cover a number of samples."""
    return -(-samples // FRAME)


def extract_log_f0(wave: np.ndarray) -> np.ndarray:
    """Return the natural log of F0 in Hz, 0 where unvoiced (DIO and StoneMask); computed a minute at a time.

    F0 lies between `LOWEST_F0` and `HIGHEST_F0`. Below `_HUM_FREE` it counts only where the speech repeats at that
    period (`_repeats`), so that mains hum of 50 or 60 Hz is not taken for a voice.

    Args:
        wave: A waveform `(time,)`, or int16 samples as in dumps, at 16 kHz.

    Returns:
        float64 `(frames,)`.
    """
    step, margin = _MINUTE * FRAME, 100 * FRAME
    logs = []
    for start in track(range(0, len(wave), step), "pitch", "minute"):
        first = max(0, start - margin)
        piece = wave[first : start + step + margin]
        found = _log_f0(_padded(loudness.to_float(piece) if piece.dtype == np.int16 else piece))
        logs.append(found[(start - first) // FRAME :][:_MINUTE])
    return np.concatenate(logs)


def _log_f0(wave: np.ndarray) -> np.ndarray:
    f0 = _track_f0(wave, _HUM_FREE)
    low = _track_f0(wave, LOWEST_F0)
    frames = np.flatnonzero((low > 0) & (low < _HUM_FREE))
    frames = frames[_repeats(wave, frames, low[frames])]
    f0[frames] = low[frames]
    return np.where(f0 > 0, np.log(np.maximum(f0, 1.0)), 0.0)


def _track_f0(wave: np.ndarray, floor: float) -> np.ndarray:
    """Return F0 in Hz between `floor` and `HIGHEST_F0`, 0 where unvoiced: float64 `(frames,)`."""
    import pyworld

    f0, times = pyworld.dio(wave, RATE, floor, HIGHEST_F0, frame_period=1000 * FRAME / RATE)
    f0 = pyworld.stonemask(wave, f0, times, RATE)[: len(wave) // FRAME]
    # StoneMask refines the estimate and may leave the range with it.
    return np.where((f0 >= floor) & (f0 <= HIGHEST_F0), f0, 0.0)


def _repeats(wave: np.ndarray, frames: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """Return whether the speech at `frames` repeats at the period of `f0` (Hz), and less at a half to a quarter of it.

    Compares the normalised autocorrelation above `_SPEECH_FROM` at these lags: bool, the shape of `frames`. Frames much
    quieter than the speech do not count: the overtones of a hum would repeat in its pauses.
    """
    if not len(frames):
        return np.zeros(0, dtype=bool)
    spectrum = np.fft.rfft(wave)
    above = np.fft.rfftfreq(len(wave), 1 / RATE) >= _SPEECH_FROM
    speech = np.pad(np.fft.irfft(spectrum * above, len(wave)), _FFT // 2)
    energies = np.square(speech[_FFT // 2 :][: len(wave)]).reshape(-1, FRAME).sum(1)
    loud = np.square(energies).sum() / max(energies.sum(), 1e-20)  # the mean, each frame weighted by its energy
    results = []
    for part in np.array_split(np.arange(len(frames)), -(-len(frames) // _PIECE)):
        pieces = speech[frames[part, None] * FRAME + np.arange(_FFT)]  # (frames, _FFT)
        power = np.abs(np.fft.rfft(pieces, 2 * _FFT)) ** 2
        products = np.fft.irfft(power)[:, :_FFT]
        energy = np.pad(np.cumsum(pieces**2, axis=1), ((0, 0), (1, 0)))
        lags = np.arange(_FFT)
        ends, starts = energy[:, _FFT - lags], energy[:, -1:] - energy[:, lags]
        correlation = products / np.sqrt(np.maximum(ends * starts, 1e-20))
        period = RATE / f0[part]

        def peak(lag: np.ndarray, correlation: np.ndarray = correlation) -> np.ndarray:
            around = np.round(lag[:, None] * np.linspace(0.96, 1.04, 27)).astype(int)
            return np.take_along_axis(correlation, around, 1).max(1)

        whole = peak(period)
        shorter = np.max([peak(period / divisor) for divisor in (2, 3, 4)], axis=0)
        level = energy[:, -1] / (_FFT / FRAME)
        results.append((whole >= _REPEATING) & (whole - shorter >= _UNLIKE) & (level >= _QUIET * loud))
    return np.concatenate(results)


def analyse(wave: np.ndarray) -> np.ndarray:
    """Return the WORLD frames of a waveform, computed a minute at a time.

    Args:
        wave: float `(time,)` at 16 kHz.

    Returns:
        float32 `(frames, CHANNELS)`, `count_frames(samples)` of them.
    """
    import pyworld

    wave = _padded(wave)
    logs = extract_log_f0(wave)
    f0 = np.where(logs > 0, np.exp(logs), 0.0)
    times = np.arange(len(f0)) * (FRAME / RATE)
    frames = np.empty((len(f0), CHANNELS), np.float32)
    for start in range(0, len(f0), _MINUTE):
        part = slice(start, start + _MINUTE)
        aperiodicity = pyworld.d4c(wave, f0[part], times[part], RATE, fft_size=_FFT)
        envelope = pyworld.cheaptrick(wave, f0[part], times[part], RATE, fft_size=_FFT)
        frames[part, :1] = logs[part, None]
        frames[part, 1:2] = pyworld.code_aperiodicity(aperiodicity, RATE)
        frames[part, 2:] = pyworld.code_spectral_envelope(envelope, RATE, ENVELOPE)
    return frames


def synthesise(frames: np.ndarray, formant: float = 1.0) -> np.ndarray:
    """Return the waveform of WORLD frames.

    Args:
        frames: `(frames, CHANNELS)`.
        formant: Factor by which the frequencies of the envelope are multiplied.

    Returns:
        float32 `(time,)`, `FRAME` samples a frame.
    """
    import pyworld

    frames = np.ascontiguousarray(frames, dtype=np.float64)
    f0 = np.where(frames[:, 0] > 0, np.exp(frames[:, 0]), 0.0)
    coded_aperiodicity = np.ascontiguousarray(np.minimum(frames[:, 1:2], 0.0))
    aperiodicity = pyworld.decode_aperiodicity(coded_aperiodicity, RATE, _FFT)
    aperiodicity[f0 == 0] = 1.0
    envelope = pyworld.decode_spectral_envelope(np.ascontiguousarray(frames[:, 2:]), RATE, _FFT)
    if formant != 1:
        bins = np.arange(envelope.shape[1])
        envelope = np.exp([np.interp(bins / formant, bins, row) for row in np.log(envelope)])
    wave = pyworld.synthesize(f0, envelope, aperiodicity, RATE, frame_period=1000 * FRAME / RATE)
    return wave[: len(frames) * FRAME].astype(np.float32)


def decode_log_envelope(coded: np.ndarray) -> np.ndarray:
    """Return the natural log of the power spectra of coded envelopes `(frames, ENVELOPE)`, a linear function of them.

    Returns:
        float32 `(frames, bins)`, bins from 0 to 8 kHz.
    """
    return coded.astype(np.float32) @ envelope_basis()


@lru_cache(maxsize=1)
def envelope_basis() -> np.ndarray:
    """Return what each coefficient of a coded envelope contributes to the natural log of the power spectrum.

    Returns:
        float32 `(ENVELOPE, bins)`, bins from 0 to 8 kHz.
    """
    import pyworld

    return np.log(pyworld.decode_spectral_envelope(np.eye(ENVELOPE), RATE, _FFT)).astype(np.float32)


def _padded(wave: np.ndarray) -> np.ndarray:
    wave = np.asarray(wave, dtype=np.float64)
    return np.pad(wave, (0, count_frames(len(wave)) * FRAME - len(wave)))
