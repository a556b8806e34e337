"""The samples of a sound file, all of them: by soundfile, else by the program ffmpeg where it is here."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import soundfile

from vqspeech.errors import AudioError
from vqspeech.soundfiles import ffmpeg
from vqspeech.soundfiles.containers import read_layout
from vqspeech.soundfiles.layout import Layout, Part, Splice

ENDINGS = (
    ".aif", ".aifc", ".aiff", ".au", ".bwf", ".caf", ".flac", ".mp1", ".mp2", ".mp3", ".mpga", ".nist", ".oga", ".ogg",
    ".opus", ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave",
)  # fmt: skip
"""Endings of the sound files that soundfile reads."""
RATES = (1000, 768_000)
"""Lowest and highest sample rate that is believed (Hz): a damaged header of 1 Hz would make hours of a second."""
SLIVER = 0.05
"""Seconds that may be missing of what a file promises."""
_UNKNOWN = 1 << 62
"""Lengths from here on are those of a file that does not know it (frames)."""
_LOSSY = ("MP3", "OGG")
"""Formats whose first samples after a seek are not what they would have been: they get a second to settle."""


def is_read(ending: str) -> bool:
    """Return whether files of an ending are read here."""
    ending = ending.lower()
    return ending in ENDINGS or (ending in ffmpeg.ENDINGS and ffmpeg.find_program() is not None)


class Sound(NamedTuple):
    """An open sound file.

    Attributes:
        rate: Sample rate (Hz).
        channels: Number of channels.
        there: Length of what is there (samples per channel); None where it is not known before all is decoded.
        fault: Why it cannot be read whole, with the fix; empty where it can.
        decode: Decodes it from a sample on, in pieces float32 `(time, channels)` of at most so many samples.
    """

    rate: int
    channels: int
    there: int | None
    fault: str
    decode: Callable[[int, int], Iterator[np.ndarray]]


class _Stream(soundfile.SoundFile):
    """A sound file that is read on to its end: soundfile stops, and goes back, where it can seek."""

    def __init__(self, file: Splice):
        super().__init__(cast(BinaryIO, file))

    def seekable(self) -> bool:
        return False


@contextmanager
def open_sound(path: str | os.PathLike) -> Iterator[Sound]:
    """Open a sound file of any kind.

    Raises:
        AudioError: It is missing, empty, or no sound that can be read.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise AudioError(f"{path}: is a folder; name the sound files in it")
    if not os.path.isfile(path):
        raise AudioError(f"{path}: no such file; check the path")
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); copy or record it again")
    try:
        layout, demuxer = read_layout(path), ffmpeg.find_demuxer(path)
        file = open(path, "rb")  # noqa: SIM115, it is closed below
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check its permissions and the disk") from None
    with file:
        try:
            sound = _read_headers(path, file, layout)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
        else:
            yield sound
            return
    if layout.fault:
        raise AudioError(f"{path}: {layout.fault}")
    convert = f"ffmpeg -i {shlex.quote(path)} {shlex.quote(os.path.splitext(path)[0] + '.wav')}"
    if demuxer is None:
        raise AudioError(f"{path}: not a sound file that can be read ({reason}); convert it to WAV: {convert}")
    program = ffmpeg.find_program()
    if program is None:
        fix = f"get it with: pip install 'vqspeech[video]', or convert the file where it is: {convert}"
        raise AudioError(f"{path}: of a kind that only the program ffmpeg reads, which is not here; {fix}")
    with ffmpeg.decode(path, program, demuxer) as decoded:
        _check_rate(path, decoded.rate)
        yield Sound(decoded.rate, decoded.channels, None, "", partial(_drop, decoded.blocks))


def _read_headers(path: str, file: BinaryIO, layout: Layout) -> Sound:
    streams = layout.streams or [[range(os.path.getsize(path))]]
    rates, channels, lengths = set(), 0, []
    for parts in streams:
        with _Stream(Splice(file, parts)) as stream:
            rates.add(stream.samplerate)
            channels = max(channels, stream.channels)
            lengths.append(stream.frames)
    if len(rates) > 1:
        raise AudioError(f"{path}: changes its sample rate within; write it anew by one program")
    rate = rates.pop()
    _check_rate(path, rate)
    if layout.frames is not None:
        lengths = [layout.frames]
    known = [length if length < _UNKNOWN else None for length in lengths]
    there = None if None in known else sum(lengths)
    fault, missing = layout.fault, (there or 0) * layout.lack / rate
    if fault and there:
        fault = f"breaks off after {there / rate:.2f} s, {fault}"
    elif missing > SLIVER:
        fault = f"truncated, the last {missing:.2f} s its header promises are missing; copy it again"
    return Sound(rate, channels, there, fault, partial(_decode, path, file, streams, known))


def _check_rate(path: str, rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(f"{path}: {rate} samples a second are no speech; its header is damaged, copy it again")


def _decode(
    path: str, file: BinaryIO, streams: Sequence[Sequence[Part]], lengths: Sequence[int | None], first: int, size: int
) -> Iterator[np.ndarray]:
    for parts, length in zip(streams, lengths, strict=True):
        if length is not None and length <= first:
            first -= length
            continue
        splice = Splice(file, parts)
        try:
            with _Stream(splice) as stream:
                yield from _read_stream(stream, first, length, size)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: breaks off while reading ({error.error_string}); copy it again") from None
        if splice.error:
            raise AudioError(f"{path}: cannot be read ({splice.error.strerror}); check the disk")
        first = 0


def _read_stream(stream: _Stream, first: int, length: int | None, size: int) -> Iterator[np.ndarray]:
    position = first
    if length is None:
        position = 0  # behind the end of what it does not know the end of, no seek would work
    elif stream.format in _LOSSY:
        position = max(0, first - stream.samplerate)
    if position:
        stream.seek(position)
    while True:
        left = size if length is None or position > length else length - position
        try:
            # Behind the length that the header tells there may be more sound, or something else: a sample tells.
            block = stream.read(min(size, left or 1), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            if left:
                raise
            return
        if not len(block):
            return
        position += len(block)
        if position > first:
            yield block[max(0, len(block) - (position - first)) :]


def _drop(blocks: Iterator[np.ndarray], first: int, size: int) -> Iterator[np.ndarray]:
    """The blocks from a sample on."""
    for block in blocks:
        if len(block) > first:
            yield block[first:]
        first = max(0, first - len(block))
