"""All samples of a sound file: decoded by soundfile, else by ffmpeg where it is installed."""

import os
import re
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
from vqspeech.storage import open_local

ENDINGS = (
    ".aif", ".aifc", ".aiff", ".au", ".bwf", ".caf", ".flac", ".mp1", ".mp2", ".mp3", ".mpga", ".nist", ".oga", ".ogg",
    ".opus", ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave",
)  # fmt: skip
"""Extensions of the sound files that soundfile reads."""
HEADERLESS = (".al", ".g711", ".g722", ".g729", ".gsm", ".pcm", ".raw", ".sln", ".ul", ".vox")
"""Extensions of samples without a header."""
RATES = (1000, 768_000)
"""Lowest and highest plausible sample rate (Hz): a damaged header of 1 Hz would turn a second into hours."""
SLIVER = 0.05
"""Seconds that may be missing from the stated length."""
_UNKNOWN = 1 << 62
"""Lengths from here on mean an unknown length (frames)."""
_SHORT = re.compile(r"^\s*(?:BODY|data)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
"""Note of libsndfile on a chunk of samples shorter than stated, in formats that `containers` does not parse."""
_STEP = 1 << 12
"""Samples decoded at once while counting: of a block that breaks off libsndfile returns none."""
_LOSSY = ("MP3", "OGG")
"""Formats whose first samples after a seek differ from those of reading on: they get a second to settle."""


def is_readable(ending: str) -> bool:
    """Return whether files of an extension can be read."""
    ending = ending.lower()
    return ending in ENDINGS or (ending in ffmpeg.ENDINGS and ffmpeg.find_program() is not None)


class Sound(NamedTuple):
    """An open sound file.

    Attributes:
        rate: Sample rate (Hz).
        channels: Number of channels.
        length: Length that is present (samples per channel); None where it is unknown before all is decoded.
        fault: Why it cannot be read whole, with the fix; empty where it can.
        decode: Decodes from a sample on, in blocks float32 `(time, channels)` of at most so many samples.
    """

    rate: int
    channels: int
    length: int | None
    fault: str
    decode: Callable[[int, int], Iterator[np.ndarray]]


class _Stream(soundfile.SoundFile):
    """A sound file that is read to its end: soundfile stops, and seeks back, where it can seek."""

    def __init__(self, file: Splice):
        super().__init__(cast(BinaryIO, file))

    def seekable(self) -> bool:
        return False


@contextmanager
def open_sound(path: str | os.PathLike) -> Iterator[Sound]:
    """Open a sound file of any format: a file, a member of a tar, or a URL (`vqspeech.storage`).

    Raises:
        AudioError: It is missing, empty, or not a readable sound file.
        StorageError: It is elsewhere and cannot be read.
    """
    path = os.fspath(path)
    with open_local(path) as local:
        try:
            with _open_file(local) as sound:
                yield sound
        except AudioError as error:
            raise type(error)(str(error).replace(local, path)) from None


@contextmanager
def _open_file(path: str) -> Iterator[Sound]:
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
        raise AudioError(f"{path}: {layout.fault.format(seconds=0.0)}")
    convert = _conversion(path)
    if demuxer is None:
        raise AudioError(f"{path}: not a sound file that can be read ({reason}); convert it to WAV: {convert}")
    program = ffmpeg.find_program()
    if program is None:
        fix = f"get it with: pip install 'vqspeech[video]', or convert the file where it is: {convert}"
        raise AudioError(f"{path}: of a kind that only the program ffmpeg reads, which is not here; {fix}")
    with ffmpeg.decode(path, program, demuxer) as decoded:
        _check_rate(path, decoded.rate)
        yield Sound(decoded.rate, decoded.channels, None, "", partial(_drop, path, decoded, layout.lack))


def _conversion(path: str) -> str:
    """Return the command that converts a file to WAV."""
    stem, ending = os.path.splitext(path)
    form = "-f s16le -ar RATE -ac 1 " if ending.lower() in HEADERLESS else ""
    made = stem + ("-new.wav" if ending == ".wav" else ".wav")
    return f"ffmpeg {form}-i {shlex.quote(path)} {shlex.quote(made)}"


def _read_headers(path: str, file: BinaryIO, layout: Layout) -> Sound:
    streams = layout.streams or [[range(os.path.getsize(path))]]
    rates, channels, lengths, lack = set(), 0, [], layout.lack
    for parts in streams:
        with _Stream(Splice(file, parts)) as stream:
            rates.add(stream.samplerate)
            channels = max(channels, stream.channels)
            lengths.append(stream.frames if stream.frames < _UNKNOWN else None)
            short = _SHORT.search(stream.extra_info)
            if short and not layout.streams:
                lack = lack or int(short[1]) / max(1, int(short[2])) - 1
            if layout.frames is not None:
                lengths = [layout.frames if _has_sample(stream, layout.frames - 1) else None]
    if len(rates) > 1:
        raise AudioError(f"{path}: changes its sample rate within; write it anew by one program")
    rate = rates.pop()
    _check_rate(path, rate)
    if layout.frames is not None and lengths == [None]:  # not all there: see how much is
        count = _count_samples(file, streams[0])
        lengths, lack = [count], layout.frames / max(1, count) - 1
    known = [length for length in lengths if length is not None]
    there = sum(known) if len(known) == len(lengths) else None
    fault = layout.fault.format(seconds=(there or 0) / rate) or _tell_missing((there or 0) * lack / rate)
    return Sound(rate, channels, there, fault, partial(_decode, path, file, streams, lengths))


def _has_sample(stream: _Stream, index: int) -> bool:
    try:
        stream.seek(index)
        return len(stream.read(1, dtype="float32")) == 1
    except soundfile.LibsndfileError:
        return False


def _count_samples(file: BinaryIO, parts: Sequence[Part]) -> int:
    """Return the number of samples of a stream that can be decoded."""
    count = 0
    try:
        with _Stream(Splice(file, parts)) as stream:
            for block in _read_stream(stream, 0, None, _STEP):
                count += len(block)
    except soundfile.LibsndfileError:
        pass
    return count


def _tell_missing(seconds: float) -> str:
    if seconds <= SLIVER:
        return ""
    return f"truncated, the last {seconds:.2f} s its header promises are missing; copy it again"


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
        position = 0  # no seek works in a stream of unknown length
    elif stream.format in _LOSSY:
        position = max(0, first - stream.samplerate)
    if position:
        stream.seek(position)
    while True:
        left = size if length is None or position > length else length - position
        try:
            # After the stated length there may be more sound, or something else: one sample shows which.
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


def _drop(path: str, decoded: ffmpeg.Decoded, lack: float, first: int, _: int) -> Iterator[np.ndarray]:
    """Yield the blocks that ffmpeg decodes, from sample `first` on."""
    done = 0
    for block in decoded.blocks:
        done += len(block)
        if done > first:
            yield block[max(0, len(block) - (done - first)) :]
    fault = _tell_missing(done * lack / decoded.rate)
    if fault:
        raise AudioError(f"{path}: {fault}")
