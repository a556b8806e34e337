"""Ogg (RFC 3533): pages with a number and a checksum, of streams that may follow each other in one file."""

import struct
import zlib
from typing import BinaryIO, NamedTuple

from vqspeech.soundfiles.layout import Layout, read_bytes

_SEARCH = 1 << 20
"""Bytes in which the next page is looked for."""
_OPEN = "breaks off after {seconds:.2f} s, its last page does not end the stream; copy it again"
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Bytes with their bits in the other order, in which `zlib` takes its checksums."""


class _Page(NamedTuple):
    """A complete page.

    Attributes:
        stream: Its stream.
        number: Its number in the stream.
        first: Whether it is the first page of the stream.
        last: Whether it is the last one.
        samples: Samples up to its end; below 0 where none ends in it.
        content: Its bytes.
        follows: Position of the next page (bytes).
    """

    stream: int
    number: int
    first: bool
    last: bool
    samples: int
    content: bytes
    follows: int


class _Link:
    """One of the streams with sound that follow each other: receives its pages, and records what is missing."""

    def __init__(self, start: int):
        self.start = start
        self.lost: list[tuple[float, float]] = []
        """From when to when (seconds) there are pages missing."""
        self.closed = True
        self._stream = self._next = self._samples = self._rate = 0

    def add(self, page: _Page, damaged: bool) -> None:
        """Add a page; `damaged`: the bytes before it are not a page."""
        if not self._rate and page.first:
            self._rate = _rate(page.content)
            self._stream, self.closed = page.stream, not self._rate
        if page.stream != self._stream or not self._rate:
            return
        # Who has joined a stream on the air has its headers, and then the pages from there on.
        joined = self._samples <= 0 and page.number > self._next and not damaged
        if page.number != self._next and not joined:
            self.lost.append((self._samples / self._rate, max(self._samples, page.samples) / self._rate))
        self._next, self.closed = page.number + 1, self.closed or page.last
        self._samples = max(self._samples, page.samples)


def walk_ogg(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of an Ogg file, None where there is no page."""
    links: list[_Link] = []
    position, beginning, damaged, cut = start, False, False, False
    while position < end:
        page = _read_page(file, position)
        if page is None:
            found = read_bytes(file, position, _SEARCH).find(b"OggS", 1)
            if found < 0:
                cut = read_bytes(file, position, 4) == b"OggS"
                break
            position, damaged = position + found, True
            continue
        if not links or (page.first and not beginning):
            links.append(_Link(position))
        links[-1].add(page, damaged)
        position, beginning, damaged = page.follows, page.first, False
    if not links:
        return None
    ends = [*(link.start for link in links[1:]), end]
    streams = [[range(link.start, stop)] for link, stop in zip(links, ends, strict=True)]
    fault = "" if all(link.closed for link in links) and not cut else _OPEN
    for begin, stop in [lost for link in links for lost in link.lost][:1]:
        fault = f"lacks some of the sound from {begin:.2f} to {stop:.2f} s, whose pages are missing or damaged"
        fault += "; copy it again"
    return Layout(streams if len(links) > 1 or links[0].start else [], fault=fault)


def _read_page(file: BinaryIO, position: int) -> _Page | None:
    """Return the page at a position of a file; None where there is none, or it is cut or damaged."""
    head = read_bytes(file, position, 282)
    if head[:4] != b"OggS" or len(head) < 27:
        return None
    size = 27 + head[26] + sum(head[27 : 27 + head[26]])
    raw = read_bytes(file, position, size)
    mirrored = (raw[:22] + bytes(4) + raw[26:]).translate(_MIRRORED)
    checksum = (zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_MIRRORED)
    if len(raw) < size or checksum != raw[22:26]:
        return None
    samples, stream, number = struct.unpack("<qII", head[6:22])
    return _Page(stream, number, bool(head[5] & 2), bool(head[5] & 4), samples, raw[27 + head[26] :], position + size)


def _rate(content: bytes) -> int:
    """Return the sample rate of a stream (Hz), given the content of its first page; 0 where it is not sound."""
    for magic, offset in ((b"\x01vorbis", 12), (b"Speex   ", 36)):
        if content.startswith(magic) and len(content) >= offset + 4:
            return struct.unpack_from("<I", content, offset)[0]
    if content.startswith(b"OpusHead"):
        return 48_000
    for magic, offset in ((b"\x7fFLAC", 27), (b"fLaC", 18)):
        if content.startswith(magic) and len(content) >= offset + 4:
            return struct.unpack_from(">I", content, offset)[0] >> 12
    return 0
