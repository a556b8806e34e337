"""Read and write sound files, check waveforms, and code them as 8-bit µ-law, the form in which WaveNets model speech.

Files are read by soundfile (else by ffmpeg, where it is installed) and resampled by soxr; a waveform is a float32 array
of mono samples in [-1, 1] at `RATE`.
"""

import io
import math
import numbers
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import soundfile

from vqspeech.errors import AudioError, WaveformError
from vqspeech.files import replace_file
from vqspeech.soundfiles.reader import RATES, SLIVER, Sound, open_sound

RATE = 16_000
"""Samples a second of every waveform inside the toolkit (Hz)."""
LEVELS = 256
"""Number of µ-law levels (8 bits)."""
MIDPOINT = 128
"""The µ-law level of silence, from which generation starts."""
WRITABLE_ENDINGS = ".wav, .flac, .ogg, .opus, .mp3, .aiff, .au, .caf or .w64"
"""Extensions of the common kinds of sound files that `write` writes."""
LARGEST_SAMPLE = 32.0
"""Largest plausible sample, 30 dB above full scale; a larger one is on the scale of integers."""
_BLOCK = 1 << 20
_SCALES = {"int8": (0, 128), "uint8": (128, 128), "int16": (0, 32_768), "int32": (0, 2**31)}
"""Silence and full scale of integer samples."""


class AudioInfo(NamedTuple):
    """Format of a sound file: rate (Hz), number of channels, length in frames (samples per channel)."""

    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        """Duration (s)."""
        return self.frames / self.rate


def info(path: str | os.PathLike) -> AudioInfo:
    """Return rate, channels and length of a sound file; the length is counted where the header does not state it.

    Raises:
        AudioError: The file is missing, empty, not a readable sound file, or truncated.
    """
    with open_sound(path) as sound:
        if sound.fault:
            raise AudioError(f"{path}: {sound.fault}")
        frames = sum(map(len, sound.decode(0, _BLOCK))) if sound.length is None else sound.length
    if not frames:
        raise AudioError(f"{path}: holds no samples; record it again")
    return AudioInfo(sound.rate, sound.channels, frames)


def read_blocks(
    path: str | os.PathLike, start: float = 0.0, end: float | None = None, rate: int = RATE
) -> Iterator[np.ndarray]:
    """Yield the mono waveform of a file, or of a part of it, in blocks of bounded size.

    The file is decoded to its end, whatever its header states; channels are averaged.

    Args:
        path: A sound file.
        start: Where the part begins (s).
        end: Where it ends (s); None: at the end of the file.
        rate: Sample rate to resample to (Hz).

    Yields:
        float32 `(time,)`.

    Raises:
        AudioError: As `info`, for a part only where the part itself is incomplete; or samples are not finite, or larger
            than `LARGEST_SAMPLE`.
    """
    with open_sound(path) as sound:
        there = math.inf if sound.length is None else sound.length
        first, last = round(start * sound.rate), math.inf if end is None else round(end * sound.rate)
        if sound.fault and last > there:
            raise AudioError(f"{path}: {sound.fault}")
        if not there:
            raise AudioError(f"{path}: holds no samples; record it again")
        if not 0 <= first < min(last, there):
            lasts = f"; it lasts {there / sound.rate:.2f} s" if sound.length else "; give 0 <= start < end"
            raise AudioError(f"{path}: no samples between {start} s and {end} s{lasts}")
        yield from resample_blocks(_mono(path, sound, first, last), sound.rate, rate)


def _mono(path: str | os.PathLike, sound: Sound, first: int, last: float) -> Iterator[np.ndarray]:
    position = first
    # Bounded on both sides: many channels come in, or many samples go out for each.
    size = max(1, int(_BLOCK / max(sound.channels, RATE / sound.rate)))
    for block in sound.decode(first, size):
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            mono = (block if last == math.inf else block[: int(last) - position]).mean(axis=1)
        position += len(mono)
        peak = float(np.abs(mono).max(initial=0.0))
        if not math.isfinite(peak):
            raise AudioError(f"{path}: holds NaN or infinite samples; repair or leave it out")
        if peak > LARGEST_SAMPLE:
            fix = f"ffmpeg -i {shlex.quote(os.fspath(path))} -af volume=1/32768 NEW.wav"
            raise AudioError(f"{path}: samples up to {peak:.4g} are on the scale of integers; divide them: {fix}")
        yield mono
        if position >= last:
            return
    missing = (min(last, sound.length or position) - position) / sound.rate
    if missing > SLIVER:
        raise AudioError(f"{path}: truncated, the last {missing:.2f} s its header promises are missing; copy it again")
    if position == first:
        raise AudioError(f"{path}: no samples after {first / sound.rate:.2f} s; give an earlier start")


def resample_blocks(pieces: Iterable[np.ndarray], rate: float, wanted: float) -> Iterator[np.ndarray]:
    """Resample a waveform that comes in consecutive blocks.

    Args:
        pieces: Blocks, float32 `(time,)`.
        rate: Their sample rate (Hz).
        wanted: Sample rate of the result (Hz).

    Yields:
        The resampled waveform in consecutive blocks.
    """
    if rate == wanted:
        yield from pieces
        return
    import soxr

    resampler = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for piece in pieces:
        yield resampler.resample_chunk(piece)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def read_audible_blocks(path: str | os.PathLike, start: float = 0.0, end: float | None = None) -> Iterator[np.ndarray]:
    """Yield the blocks of `read_blocks` at `RATE`, and require that they hold sound.

    Raises:
        AudioError: As `read_blocks`; or, after the last block: all is digital silence, or shorter than a sample.
    """
    samples, loud = 0, False
    for block in read_blocks(path, start, end):
        samples, loud = samples + len(block), loud or bool(block.any())
        yield block
    if not samples:
        raise AudioError(f"{path}: too short, not one sample at {RATE} Hz; use a longer recording")
    if not loud:
        raise AudioError(f"{path}: silent, every sample is zero; check the microphone or the channel")


def read_waveform(path: str | os.PathLike, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Read the mono waveform of a file, or of a part of it, at `RATE`.

    Args:
        path: A sound file.
        start: Where the part begins (s).
        end: Where it ends (s); None: at the end of the file.

    Returns:
        float32 `(time,)`.

    Raises:
        AudioError: As `read_blocks`, or the recording is digital silence or shorter than a sample.
    """
    return np.concatenate(list(read_audible_blocks(path, start, end)))


def to_waveform(samples: Any, sample_rate: float = RATE) -> np.ndarray:
    """Convert samples of any type to a waveform.

    Args:
        samples: Samples of one channel, `(time,)`, `(1, time)` or `(time, 1)`: floats, full scale ±1; integers of 8, 16
            or 32 bits, scaled by their type. An array, a tensor on any device, or a list.
        sample_rate: Their rate (Hz).

    Returns:
        The waveform at `RATE`: float32 `(time,)`.

    Raises:
        WaveformError: There are several channels or no samples, or samples are not finite, on the scale of integers, or
            not numbers.
    """
    rate = check_rate(sample_rate)
    if isinstance(samples, str | bytes | os.PathLike):
        raise WaveformError(f"{samples!r} is not a waveform; read a file with vqspeech.audio.read_waveform(path)")
    if hasattr(samples, "detach"):  # a tensor
        samples = samples.detach().cpu()
        samples = (samples.float() if samples.is_floating_point() else samples).numpy()
    try:
        given = np.asarray(samples)
    except ValueError as error:  # rows of different lengths
        raise WaveformError(f"samples that make no array ({error}); give one channel, (time,)") from None
    kind = given.dtype.name
    if given.dtype.kind != "f" and kind not in _SCALES:
        fix = "give floats of full scale 1, or integers of 8, 16 or 32 bits"
        raise WaveformError(f"samples of type {kind} have no scale of sound; {fix}")
    if not given.size:
        raise WaveformError(f"a waveform of shape {given.shape} holds no samples; give at least one")
    if given.ndim == 0 or max(given.shape) < given.size:
        axis = int(np.argmin(given.shape)) if given.ndim == 2 else None
        fix = "give one channel, (time,)" if axis is None else f"average its channels: x.mean({axis})"
        raise WaveformError(f"a waveform is of one channel, (time,), not of shape {given.shape}; {fix}")
    wave = given.reshape(-1)
    if given.dtype.kind == "f":
        peak = float(np.abs(wave).max())
        if not math.isfinite(peak):
            raise WaveformError("the waveform holds NaN or infinite samples; give finite numbers")
        if peak > LARGEST_SAMPLE:
            fix = "divide them by their full scale (32768 for 16 bits), or give them as int16"
            raise WaveformError(f"samples up to {peak:.4g} are on the scale of integers; {fix}")
        wave = np.ascontiguousarray(wave, dtype=np.float32)
    else:
        silence, full = _SCALES[kind]
        wave = ((wave.astype(np.float64) - silence) / full).astype(np.float32)
    wave = np.concatenate([*resample_blocks([wave], rate, RATE)])
    if not len(wave):
        raise WaveformError(f"{given.size} samples at {rate:g} Hz are too short, not one at {RATE} Hz; give more")
    return wave


def check_rate(rate: Any) -> float:
    """Return a sample rate (Hz) as a float.

    Raises:
        WaveformError: It is not a number, or beyond `RATES`.
    """
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not RATES[0] <= float(rate) <= RATES[1]:
        low, high = RATES
        raise WaveformError(f"sample rate {rate!r}: give samples a second as a number from {low} to {high}")
    return float(rate)


def is_writable(path: str | os.PathLike) -> bool:
    """Return whether the extension of `path` names a sound file format that `write` supports."""
    return _kind(path)[0] in soundfile.available_formats()


def check_writable(path: str | os.PathLike) -> None:
    """Check that the extension of `path` names a sound file format that `write` supports.

    Raises:
        AudioError: It does not; the message lists the formats.
    """
    if not is_writable(path):
        ending = os.path.splitext(path)[1] or "no ending"
        raise AudioError(f"{path}: sound files of that kind ({ending}) cannot be written; end it in {WRITABLE_ENDINGS}")


def _kind(path: str | os.PathLike) -> tuple[str, str | None]:
    """Return format and subtype, as soundfile names them, of the extension of `path`."""
    ending = os.path.splitext(os.fspath(path))[1][1:].lower()
    name = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "snd": "AU", "wave": "WAV"}.get(ending, ending.upper())
    # The last four are raw samples, what needs a fork of the file system, and what has a rate of its own.
    return "" if name in ("RAW", "SD2", "WVE", "XI") else name, "OPUS" if ending == "opus" else None


def write(path: str | os.PathLike, wave: Any, rate: int = RATE) -> None:
    """Write a mono waveform as 16-bit WAV, or in the format of the extension, in one piece; clipped to [-1, 1].

    Args:
        path: The file.
        wave: What `to_waveform` takes, at 16 kHz.
        rate: Sample rate stated in the file (Hz).

    Raises:
        AudioError: The extension names no sound file format.
        WaveformError: See `to_waveform`.
        OSError: The disk is full.
    """
    check_writable(path)
    write_parts(path, [to_waveform(wave)], round(check_rate(rate)))


def write_parts(path: str | os.PathLike, parts: Iterable[np.ndarray], rate: int = RATE) -> int:
    """Write a waveform that comes in blocks, float32 `(time,)`, as `write` does; return its length in samples."""
    check_writable(path)
    kind, subtype = _kind(path)
    samples = 0
    with replace_file(path) as temporary, _Output(temporary, path) as output:
        try:
            with soundfile.SoundFile(cast(BinaryIO, output), "w", rate, 1, subtype, format=kind) as file:
                for part in parts:
                    samples += len(part)
                    for start in range(0, len(part), _BLOCK):  # the Vorbis encoder crashes on ten minutes in one go
                        file.write(np.clip(part[start : start + _BLOCK], -1.0, 1.0))
                        output.check()
            output.check()
        except (soundfile.LibsndfileError, AssertionError) as error:  # the latter where less was written than given
            output.check()
            if isinstance(error, AssertionError):
                raise
            raise AudioError(f"{path}: cannot be written ({error}); end it in .wav") from None
    return samples


class _Output(io.FileIO):
    """A file that libsndfile writes to. It ignores some errors, and does not report the reason of others."""

    def __init__(self, temporary: Path, path: str | os.PathLike):
        super().__init__(temporary, "w")
        self.path, self.error = os.fspath(path), None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        written = 0
        try:
            while written < len(view):
                written += super().write(view[written:]) or 0
        except OSError as error:
            self.error = OSError(error.errno, error.strerror, self.path)
        return written

    def check(self) -> None:
        """Raise the error that occurred while writing, if any."""
        if self.error is not None:
            raise self.error


def encode_mulaw(wave: np.ndarray) -> np.ndarray:
    """Quantise a waveform to µ-law levels (ITU-T G.711's curve, µ = 255, 256 uniform levels): uint8, same shape."""
    wave = np.clip(np.asarray(wave, dtype=np.float32), -1.0, 1.0)
    curve = np.sign(wave) * np.log1p((LEVELS - 1) * np.abs(wave)) / np.log1p(LEVELS - 1)
    return ((curve + 1) / 2 * (LEVELS - 1) + 0.5).astype(np.uint8)


def decode_mulaw(levels: np.ndarray) -> np.ndarray:
    """Return the waveform of µ-law levels: float32 in [-1, 1], same shape; inverts `encode_mulaw` up to rounding."""
    curve = 2 * (np.asarray(levels).astype(np.float32) / (LEVELS - 1)) - 1
    return (np.sign(curve) * np.expm1(np.abs(curve) * np.log1p(LEVELS - 1)) / (LEVELS - 1)).astype(np.float32)
