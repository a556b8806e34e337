"""Conversion of a stream from standard input to standard output, raw or WAV (not a verb)."""

import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from vqspeech import audio
from vqspeech.errors import AudioError
from vqspeech.stream import Converter

_READ = 640
"""Bytes to wait for at most: 20 ms at 16 kHz."""
_UNKNOWN = 0xFFFFFFFF
"""Size in the header of a WAV of unknown length."""
_KINDS = {(1, 8): ("u1", 128, 128), (1, 16): ("<i2", 0, 32_768), (1, 32): ("<i4", 0, 2**31), (3, 32): ("<f4", 0, 1)}
"""Data type, level of silence and full scale, by format and bits in the header of a WAV."""


class SampleFormat:
    """The format of samples in a stream.

    Args:
        rate: Samples per second (Hz).
        channels: Number of channels.
        kind: Data type, level of silence and full scale.
    """

    def __init__(self, rate: int, channels: int = 1, kind: tuple[str, int, int] = _KINDS[1, 16]):
        self.rate, self.channels = rate, channels
        self.dtype, self.silence, self.scale = np.dtype(kind[0]), *kind[1:]

    @property
    def size(self) -> int:
        """Bytes per sample of all channels."""
        return self.channels * self.dtype.itemsize

    def decode(self, data: bytes) -> np.ndarray:
        """Return the waveform of bytes, mixed to mono: float32 `(time,)`."""
        samples = np.frombuffer(data, self.dtype).reshape(-1, self.channels).astype(np.float64)
        return ((samples.mean(1) - self.silence) / self.scale).astype(np.float32)


def read_header(source: BinaryIO) -> SampleFormat:
    """Read the header of a WAV up to its samples. Raises `AudioError` for an unknown or missing header."""
    fix = "send a WAV of PCM or float samples, or raw 16-bit samples with --raw HZ"
    riff, _, wave = struct.unpack("<4sI4s", _read_exactly(source, 12, fix))
    if riff not in (b"RIFF", b"RF64") or wave != b"WAVE":
        raise AudioError(f"standard input (-): not a WAV file; {fix}")
    form = None
    while True:
        name, size = struct.unpack("<4sI", _read_exactly(source, 8, fix))
        if name == b"data":
            break
        content = _read_exactly(source, size + size % 2, fix)
        if name == b"fmt " and size >= 16:
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
            if kind == 0xFFFE and size >= 26:  # extensible: the format is the first of its sub-format
                [kind] = struct.unpack("<H", content[24:26])
            if (kind, bits) not in _KINDS or not channels:
                raise AudioError(f"standard input (-): WAV of format {kind} with {bits} bits; {fix}")
            form = SampleFormat(rate, channels, _KINDS[kind, bits])
    if form is None:
        raise AudioError(f"standard input (-): a WAV file without a format; {fix}")
    return form


def _read_exactly(source: BinaryIO, count: int, fix: str) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise AudioError(f"standard input (-): ends in the header of a WAV file; {fix}")
    return data


def read_chunks(source: BinaryIO, form: SampleFormat) -> Iterator[np.ndarray]:
    """Yield the waveform of a stream as it arrives; an incomplete last sample is dropped."""
    read = getattr(source, "read1", source.read)  # returns what has arrived, without waiting for more
    rest = b""
    while data := read(max(_READ, form.size)):
        rest += data
        whole = len(rest) // form.size * form.size
        if whole:
            yield form.decode(rest[:whole])
        rest = rest[whole:]


def convert_stream(converter: Converter, source: BinaryIO, form: SampleFormat, out: BinaryIO, raw: bool) -> float:
    """Convert a stream, write it as 16-bit samples at its rate, and return its length in seconds.

    Unless the output is `raw`, it starts with the header of a WAV of unknown length.

    Raises:
        AudioError: The stream is empty.
    """
    if not raw:
        size = _UNKNOWN
        header = (b"RIFF", size, b"WAVE", b"fmt ", 16, 1, 1, form.rate, 2 * form.rate, 2, 16, b"data", size)
        out.write(struct.pack("<4sI4s4sIHHIIHH4sI", *header))
    count = 0
    for wave in read_chunks(source, form):
        count += len(wave)
        _write(out, converter.push(wave))
    _write(out, converter.flush())
    if not count:
        raise AudioError("standard input (-): no samples; is the microphone on?")
    return count / form.rate


def _write(out: BinaryIO, sound: np.ndarray) -> None:
    levels = np.floor(np.clip(sound, -1.0, 1.0).astype(np.float64) * 32768)
    out.write(np.minimum(levels, 32767).astype("<i2").tobytes())
    out.flush()


def open_input() -> BinaryIO:
    """Return standard input as a binary stream. Raises `AudioError` where it is a terminal, or closed."""
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("standard input (-) is a terminal; send sound to it: arecord -f S16_LE -r 16000 -t raw | ...")
    return sys.stdin.buffer


def is_wav_input() -> bool:
    """Return whether standard input starts like a WAV, without reading it."""
    source: Any = sys.stdin and sys.stdin.buffer
    return source is not None and source.peek(4)[:4] in (b"RIFF", b"RF64")


def read_format(source: BinaryIO, raw: int | None) -> SampleFormat:
    """Return the format of a stream: 16-bit samples at `raw` Hz, or what its WAV header says."""
    form = SampleFormat(raw) if raw else read_header(source)
    audio.check_rate(form.rate)
    return form
