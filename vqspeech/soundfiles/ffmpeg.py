"""Sound of files that soundfile does not read (m4a, webm, wma, video), decoded by ffmpeg where it is installed.

ffmpeg runs as a separate process on one file, with the demuxer that the first bytes of the file select: no playlist,
and no text that looks like one, makes it open anything else.
"""

import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO, NamedTuple

import numpy as np

from vqspeech.errors import AudioError

ENDINGS = (
    ".3g2", ".3gp", ".aac", ".ac3", ".amr", ".ape", ".asf", ".avi", ".awb", ".dts", ".eac3", ".f4a", ".flv", ".m4a",
    ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpc", ".mpeg", ".mpg", ".mts", ".ogv", ".ra", ".rm", ".shn",
    ".spx", ".tak", ".ts", ".tta", ".vob", ".weba", ".webm", ".wma", ".wmv", ".wv",
)  # fmt: skip
"""Extensions of files with sound that soundfile does not read."""
_DEMUXERS = (
    (4, b"ftyp", "mov"), (4, b"moov", "mov"), (4, b"mdat", "mov"), (4, b"wide", "mov"), (4, b"free", "mov"),
    (0, b"\x1aE\xdf\xa3", "matroska"), (0, b"0&\xb2u\x8ef\xcf\x11", "asf"), (8, b"AVI ", "avi"), (8, b"WAVE", "wav"),
    (0, b"OggS", "ogg"), (0, b"FLV\x01", "flv"), (0, b"caff", "caf"), (0, b"NIST_1A", "nistsphere"),
    (0, b"#!AMR", "amr"), (0, b"wvpk", "wv"), (0, b"TTA1", "tta"), (0, b"tBaK", "tak"), (0, b"MAC ", "ape"),
    (0, b"MPCK", "mpc8"), (0, b"MP+", "mpc"), (0, b".RMF", "rm"), (0, b"ajkg", "shn"), (0, b"\x0b\x77", "ac3"),
    (0, b"\x7f\xfe\x80\x01", "dts"), (0, b"\x00\x00\x01\xba", "mpeg"), (0, b"\xff\xf1", "aac"), (0, b"\xff\xf9", "aac"),
    (0, b"ADIF", "aac"), (8, b"AIFC", "aiff"), (0, b"ID3", "mp3"), (0, b"DSD ", "dsf"),
    (0, b"Creative", "voc"),
)  # fmt: skip
"""Demuxer of a file, by bytes at an offset."""
_LOST = re.compile(
    r"ended prematurely|partial file|incomplete frame|moov atom not found|"
    r"Error during demuxing|Error submitting packet|Decoding error|Error while decoding|"
    r"exceeds containing master element|as first byte of an EBML number|packet_obj_size"
)
"""Messages of ffmpeg where sound is missing and it goes on all the same."""
_DURATION = re.compile(r"^  Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:", re.MULTILINE)
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ROUGH = 0.25
"""Seconds by which the stated length may differ from that of the sound: encoders pad and cut."""
_SLIVER = 0.05
"""Seconds that may be missing."""
_BLOCK = 1 << 18


class Decoded(NamedTuple):
    """Sound of a file: rate (Hz), number of channels, and its samples in blocks, float32 `(time, channels)`."""

    rate: int
    channels: int
    blocks: Iterator[np.ndarray]


@lru_cache(1)
def find_program() -> str | None:
    """Return the ffmpeg to run: that of `imageio-ffmpeg`, else one on the PATH; None where there is neither."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return shutil.which("ffmpeg")


def find_demuxer(path: str | os.PathLike) -> str | None:
    """Return the demuxer of a file by its first bytes; None where they are not those of a known format with sound.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(400)
    for offset, magic, name in _DEMUXERS:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "mpegts" if head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G" else None


@contextmanager
def decode(path: str | os.PathLike, program: str, demuxer: str) -> Iterator[Decoded]:
    """Decode the first sound track of a file.

    Raises:
        AudioError: It holds no sound, cannot be decoded, or is incomplete.
    """
    source = "file:" + os.path.abspath(os.fspath(path))
    command = [program, "-nostdin", "-hide_banner", "-nostats", "-protocol_whitelist", "file,pipe", "-f", demuxer]
    command += ["-i", source, "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "-"]
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        except OSError as error:
            raise AudioError(f"{path}: {program} cannot be run ({error}); install imageio-ffmpeg anew") from None
        assert process.stdout is not None
        try:
            head = process.stdout.read(24)
            if len(head) < 24:
                process.wait()
                raise AudioError(
                    f"{path}: not a sound file that can be read (ffmpeg: {_reason(log)}); copy or record it again"
                )
            _, offset, _, _, rate, channels = struct.unpack(">6I", head)
            process.stdout.read(offset - 24)
            yield Decoded(rate, channels, _blocks(path, process, log, rate, channels))
        finally:
            process.stdout.close()
            process.kill()
            process.wait()


def _blocks(
    path: str | os.PathLike, process: subprocess.Popen, log: BinaryIO, rate: int, channels: int
) -> Iterator[np.ndarray]:
    assert process.stdout is not None
    frames = 0
    while raw := process.stdout.read(_BLOCK * 4 * channels):
        block = np.frombuffer(raw, dtype=">f4", count=len(raw) // (4 * channels) * channels)
        frames += len(block) // channels
        yield block.astype(np.float32).reshape(-1, channels)
    code, seconds, words = process.wait(), frames / rate, _words(log)
    if code or _LOST.search(words):
        raise AudioError(f"{path}: breaks off or is damaged after {seconds:.2f} s ({_reason(log)}); copy it again")
    missing = _missing_seconds(path, words, seconds)
    if missing:
        raise AudioError(f"{path}: truncated, the last {missing:.2f} s its header promises are missing; copy it again")


def _missing_seconds(path: str | os.PathLike, words: str, seconds: float) -> float:
    """Return the seconds that the container states beyond the `seconds` that are present; 0 for `_SLIVER` or less."""
    size, promised = os.path.getsize(path), 0
    with open(path, "rb") as file:
        head = file.read(1 << 16)
    if head[8:12] == b"AVI ":
        promised = int.from_bytes(head[4:8], "little") + 8
    elif _ASF_PROPERTIES in head:
        promised = int.from_bytes(head.split(_ASF_PROPERTIES)[1][24:32], "little")
    missing = seconds * max(0.0, promised / size - 1)
    read = words.partition("\nStream mapping")[0]
    duration = _DURATION.search(read)
    # One that is estimated from the bit rate does not count, and one of several streams may be that of the pictures.
    if duration and "Estimating duration" not in words and len(_STREAM.findall(read)) == 1:
        hours, minutes, rest = duration.groups()
        lacking = 3600 * int(hours) + 60 * int(minutes) + float(rest) - seconds
        missing = max(missing, lacking if lacking > _ROUGH else 0.0)
    return missing if missing > _SLIVER else 0.0


def _words(log: BinaryIO) -> str:
    log.seek(0)
    return log.read(1 << 22).decode("utf-8", "replace")


def _reason(log: BinaryIO) -> str:
    """Return the line of ffmpeg's output that explains the failure best."""
    lines = _words(log).splitlines()
    for telling in ("matches no streams", _LOST.pattern, "[Ii]nvalid|[Ee]rror", ""):
        for line in lines:
            if re.search(telling, line):
                return re.sub(r"^(\[[^\]]*\] )*", "", line)[:200]
    return "no message"
