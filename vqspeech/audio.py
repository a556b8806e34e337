"""Sound files in and out, and 8-bit µ-law, the form in which every model sees speech.

Files are read by soundfile and resampled by soxr; a waveform is a float32 array of mono samples in [-1, 1] at `RATE`.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import soundfile

from vqspeech.errors import AudioError
from vqspeech.files import replaced

RATE = 16_000
"""Samples a second of every waveform inside the toolkit (Hz)."""
LEVELS = 256
"""Number of µ-law levels (8 bits)."""
MIDPOINT = 128
"""The µ-law level of silence, from which generation starts."""
_BLOCK = 1 << 20
_SLOWEST = 1000
"""Lowest sample rate that is believed (Hz): a damaged header of 1 Hz would make hours of a second."""
_SHORT_DATA = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_LENGTH = 0x7FFFF000
"""Chunk lengths from here on are what programs write that stream a WAV and cannot know its length."""


class AudioInfo(NamedTuple):
    """What a file's header says: rate in Hz, number of channels, length in frames."""

    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def info(path: str | os.PathLike) -> AudioInfo:
    """The header of a sound file.

    Raises `AudioError` where the file is missing, empty, or no sound that soundfile reads.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise AudioError(f"{path}: is a folder; name the sound files in it")
    if not os.path.isfile(path):
        raise AudioError(f"{path}: no such file; check the path")
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); copy or record it again")
    try:
        header = soundfile.info(path)
    except (RuntimeError, TypeError) as error:  # TypeError: .raw, which has no header
        raise AudioError(f"{path}: not a sound file that can be read ({error}); convert it to WAV or FLAC") from None
    if header.frames < 1:
        raise AudioError(f"{path}: holds no samples; record it again")
    if header.samplerate < _SLOWEST:
        raise AudioError(
            f"{path}: {header.samplerate} samples a second are no speech; its header is damaged, copy it again"
        )
    return AudioInfo(header.samplerate, header.channels, header.frames)


def lost_seconds(path: str | os.PathLike) -> float:
    """Length of what the header of a WAV or AIFF file promises and the file does not have: libsndfile passes over it
    in silence."""
    if not os.fspath(path).lower().endswith((".wav", ".wave", ".aif", ".aiff")):
        return 0.0
    with soundfile.SoundFile(os.fspath(path)) as file:
        match = _SHORT_DATA.search(file.extra_info)
        if match is None or not int(match[2]) < int(match[1]) < _UNKNOWN_LENGTH:
            return 0.0
        return file.frames / file.samplerate * (int(match[1]) / max(1, int(match[2])) - 1)


def blocks(
    path: str | os.PathLike, start: float = 0.0, end: float | None = None, rate: int = RATE
) -> Iterator[np.ndarray]:
    """The mono waveform of a file, or of its part from `start` to `end` (seconds), at `rate`, in bounded pieces.

    Channels are averaged. Raises `AudioError` as `info` does, and for truncated files and samples that are not finite.
    """
    import soxr

    header = info(path)
    first = round(start * header.rate)
    last = header.frames if end is None else min(header.frames, round(end * header.rate))
    if not 0 <= first < last:
        raise AudioError(f"{path}: no samples between {start} s and {end} s; it lasts {header.seconds:.2f} s")
    lost = lost_seconds(path)
    if lost and (end is None or round(end * header.rate) > header.frames):
        raise AudioError(f"{path}: truncated, the last {lost:.2f} s its header promises are missing; copy it again")
    resampler = soxr.ResampleStream(header.rate, rate, 1, dtype="float32") if header.rate != rate else None
    left = last - first
    # Bounded on both sides: many channels come in, or many samples go out for each.
    size = max(1, int(_BLOCK / max(header.channels, rate / header.rate)))
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            file.seek(first)
            while left:
                block = file.read(min(left, size), dtype="float32", always_2d=True)
                if not len(block):
                    break
                left -= len(block)
                mono = block.mean(axis=1)
                if not np.isfinite(mono).all():
                    raise AudioError(f"{path}: holds NaN or infinite samples; repair or leave it out")
                yield mono if resampler is None else resampler.resample_chunk(mono, last=left == 0)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: breaks off while reading ({error}); copy it again") from None
    if left:
        missing = left / header.rate
        raise AudioError(f"{path}: truncated, the last {missing:.2f} s its header promises are missing; copy it again")


def sounding(path: str | os.PathLike, start: float = 0.0, end: float | None = None) -> Iterator[np.ndarray]:
    """As `blocks` at `RATE`; raises `AudioError` also, after the last piece, where all of it is digital silence or not
    one sample long."""
    samples, loud = 0, False
    for block in blocks(path, start, end):
        samples, loud = samples + len(block), loud or bool(block.any())
        yield block
    if not samples:
        raise AudioError(f"{path}: too short, not one sample at {RATE} Hz; use a longer recording")
    if not loud:
        raise AudioError(f"{path}: silent, every sample is zero; check the microphone or the channel")


def waveform(path: str | os.PathLike, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """The mono waveform of a file, or of its part from `start` to `end` (seconds), at `RATE`: float32, `(samples,)`.

    Raises `AudioError` as `blocks` does, and where the recording is digital silence or shorter than one sample.
    """
    return np.concatenate(list(sounding(path, start, end)))


def writable(path: str | os.PathLike) -> bool:
    """Whether the ending of `path` names a kind of sound file that `write` writes."""
    kind = os.path.splitext(path)[1][1:].upper()
    return kind in soundfile.available_formats() and kind != "RAW"


def write(path: str | os.PathLike, wave: np.ndarray, rate: int = RATE) -> None:
    """Writes a mono waveform as 16-bit WAV (or what the ending names), clipped to [-1, 1], in one piece.

    Raises `AudioError` where the ending names no kind of sound file, `OSError` where the disk is full.
    """
    if not writable(path):
        raise AudioError(f"{path}: the ending names no kind of sound file; end it in .wav or .flac")
    wave = np.clip(wave, -1.0, 1.0)
    with replaced(path) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", rate, 1) as file:
                for start in range(0, len(wave), _BLOCK):  # the Vorbis encoder crashes on ten minutes in one go
                    file.write(wave[start : start + _BLOCK])
        except soundfile.LibsndfileError as error:
            raise OSError(f"{path}: cannot be written ({error}); is the disk full?") from None


def mulaw(wave: np.ndarray) -> np.ndarray:
    """µ-law levels of a waveform: uint8, same shape (ITU-T G.711's curve, µ = 255, uniform over 256 levels)."""
    wave = np.clip(np.asarray(wave, dtype=np.float32), -1.0, 1.0)
    curve = np.sign(wave) * np.log1p((LEVELS - 1) * np.abs(wave)) / np.log1p(LEVELS - 1)
    return ((curve + 1) / 2 * (LEVELS - 1) + 0.5).astype(np.uint8)


def linear(levels: np.ndarray) -> np.ndarray:
    """The waveform of µ-law levels: float32, same shape, in [-1, 1]; the inverse of `mulaw` up to rounding."""
    curve = 2 * (np.asarray(levels).astype(np.float32) / (LEVELS - 1)) - 1
    return (np.sign(curve) * np.expm1(np.abs(curve) * np.log1p(LEVELS - 1)) / (LEVELS - 1)).astype(np.float32)
