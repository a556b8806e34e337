"""The true length of the sound in a file: containers parsed to their end, headers repaired in memory.

libsndfile trusts the header: a WAV whose recorder lost power has no samples, an MP3 without a Xing frame ends where its
first bit rate would end. `read_layout` parses the bytes, and returns what to decode in place of the file and how much
of the stated length is missing.
"""

import os
import re
import struct
from typing import BinaryIO

from vqspeech.soundfiles.chunks import walk_aiff, walk_caf, walk_wave, walk_wave64
from vqspeech.soundfiles.layout import Layout, Part, read_bytes
from vqspeech.soundfiles.mpeg import skip_id3, walk_mpeg
from vqspeech.soundfiles.ogg import walk_ogg

_MAGIC = (b"fLaC", b"OggS", b"ID3\x02", b"ID3\x03", b"ID3\x04", b"caff", b".snd", b"riff", b"wvpk", b"#!AM", b"TTA1")
"""First bytes of sound files of other kinds than RIFF and AIFF."""


def read_layout(path: str | os.PathLike) -> Layout:
    """Find all the sound in a file.

    Args:
        path: A file.

    Returns:
        Its layout; the file as it is where the container is none of those known here.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb", 1 << 16) as file:
        end = file.seek(0, os.SEEK_END)
        start = skip_id3(file, 0)
        head = read_bytes(file, start, 28)
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
            found = walk_wave(file, start, end)
        elif head[:4] == b"riff" and head[24:28] == b"wave":
            found = walk_wave64(file, start, end)
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            found = walk_aiff(file, start, end)
        elif head[:4] == b"caff":
            found = walk_caf(file, start, end)
        elif head[:4] in (b".snd", b"dns."):
            found = _read_au(head, start, end)
        elif head[:7] == b"NIST_1A":
            found = _read_sphere(file, start, end)
        elif head[:8] == b"Creative":
            found = _read_voc(file, start, end)
        elif head[:4] == b"fLaC":
            found = _read_flac(file, start, end)
        elif head[:4] == b"OggS":
            found = walk_ogg(file, start, end)
        else:
            found = walk_mpeg(file, start, end, os.fspath(path).lower().endswith((".mp1", ".mp2", ".mp3")))
    return found or Layout()


def begins_sound(path: str | os.PathLike) -> bool:
    """Return whether the first bytes of a file are those of a sound file.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
            return head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
        if head[:7] == b"NIST_1A" or head[:4] in _MAGIC or head[4:11] == b"ftypM4A":
            return True
        return head[:1] == b"\xff" and walk_mpeg(file, 0, file.seek(0, os.SEEK_END)) is not None


def _read_flac(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a FLAC file: its header without the number of samples, which may be unknown or wrong."""
    head = read_bytes(file, start, 26)
    if len(head) < 26 or head[4] & 0x7F:
        return None
    field = int.from_bytes(head[18:26], "big")
    frames = field & (1 << 36) - 1
    if not frames and read_bytes(file, end - 128, 3) == b"TAG":
        end -= 128
    parts: list[Part] = [head[:18] + (field - frames).to_bytes(8, "big"), range(start + 26, end)]
    return Layout([parts], 0.0, frames or None)


def _read_au(head: bytes, start: int, end: int) -> Layout | None:
    """Return the layout of a Sun AU file: nothing follows the samples, so that its stated length is not needed."""
    order = ">" if head[:4] == b".snd" else "<"
    if len(head) < 24:
        return None
    offset, size = struct.unpack_from(f"{order}II", head, 4)
    there = end - start - offset
    if there <= 0:
        return None
    header = head[:4] + struct.pack(f"{order}II", 24, 0xFFFFFFFF) + head[12:24]
    lack = size / there - 1 if there < size < 0x7FFFF000 else 0.0
    return Layout([[header, range(start + offset, end)]], lack)


def _read_sphere(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a SPHERE file, which libsndfile reads to its end."""
    header = read_bytes(file, start, 1 << 16)
    size = re.match(rb"NIST_1A\s+(\d+)", header)
    stated = dict(re.findall(rb"^(sample_count|channel_count|sample_n_bytes) -\S+ (\d+)", header, re.MULTILINE))
    coding = re.search(rb"^sample_coding -s\d+ (\S+)", header, re.MULTILINE)
    if size is None or len(stated) < 3 or (coding and coding[1] not in (b"pcm", b"ulaw", b"alaw", b"mu-law")):
        return None
    there, promised = end - start - int(size[1]), 1
    if there <= 0:
        return Layout(fault="holds no samples, its header is cut short; copy it again")
    for number in stated.values():
        promised *= int(number)
    return Layout([[range(start, end)]] if start else [], max(0.0, promised / there - 1))


def _read_voc(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a VOC file with its samples in one block: libsndfile reads no others, ffmpeg does."""
    at = start + int.from_bytes(read_bytes(file, start + 20, 2), "little")
    while (head := read_bytes(file, at, 4))[:1] in (b"\5", b"\x08"):  # a text, or more on the format
        at += 4 + int.from_bytes(head[1:], "little")
    if head[:1] not in (b"\1", b"\x09"):
        return None
    inside = 12 if head[0] == 9 else 2
    promised, there = int.from_bytes(head[1:], "little") - inside, end - at - 4 - inside
    return Layout(lack=max(0.0, promised / there - 1) if there > 0 else 0.0)
