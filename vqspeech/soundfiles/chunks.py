"""Containers made of chunks: RIFF, RF64 and BW64 (EBU Tech 3306), Sony Wave64, AIFF and AIFF-C, Apple's CAF.

The stated length of the chunk with the samples is right only in a file that was closed: recorders that lose power leave
0 or an earlier length, streams the largest number, files beyond 4 GiB the remainder of a division.
"""

import struct
from typing import BinaryIO, NamedTuple

from vqspeech.soundfiles.layout import Layout, read_bytes

_UNKNOWN = 0x7FFFF000
"""32-bit lengths from here on are written by programs that stream and do not know the length."""
_TAIL = 400
"""Bytes after the samples that are not examined: 50 ms of 8-bit samples at 8 kHz."""
_MOST = 100_000
"""Largest number of chunks that are read."""
_ZEROS = 1 << 24
"""Bytes of padding at the end of a file, all 0."""
_TRAILING = {b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"fact", b"PEAK", b"JUNK", b"afsp", b"_PMX", b"iXML"}
"""Chunks that follow the samples, recognised even where they are cut short."""
_FILES = {b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"caff", b".snd", b"OggS"}
"""First bytes of sound files."""


class _Form(NamedTuple):
    """How chunks are written.

    Attributes:
        name: Bytes of the name.
        size: `struct` format of the size.
        align: Multiple of bytes at which chunks begin.
        inclusive: Whether the size includes name and size.
    """

    name: int
    size: str
    align: int = 2
    inclusive: bool = False

    def head(self, file: BinaryIO, position: int) -> tuple[bytes, int] | None:
        """Return name (its first four bytes) and size of the chunk at `position`; None where the file ends."""
        length = self.name + struct.calcsize(self.size)
        raw = read_bytes(file, position, length)
        if len(raw) < length:
            return None
        return raw[:4], struct.unpack_from(self.size, raw, self.name)[0] - length * self.inclusive

    @property
    def overhead(self) -> int:
        return self.name + struct.calcsize(self.size)


_RIFF, _RIFX, _WAVE64, _CAF = _Form(4, "<I"), _Form(4, ">I"), _Form(16, "<q", 8, True), _Form(4, ">q", 1)


class _Chunks(NamedTuple):
    """The chunks of a file.

    Attributes:
        samples: Bytes of the chunks with samples.
        promised: Bytes that they state in all.
        right: Whether every stated size was right.
        others: First chunk of every other name.
        fault: What is wrong.
    """

    samples: list[range]
    promised: int
    right: bool
    others: dict[bytes, range]
    fault: str = ""

    def layout(self, prefix: bytes, skip: int = 0, mend: bool = False, unit: int = 1) -> Layout:
        """Return the layout of the file.

        Args:
            prefix: Header of the file to decode, where the file has to be repaired.
            skip: Bytes at the start of each chunk that are not samples.
            mend: Whether it has to be repaired in any case.
            unit: Bytes of the smallest block that can be decoded.
        """
        samples = [range(part.start + skip, part.stop) for part in self.samples]
        size = max(1, sum(map(len, samples)) // unit)  # of less than one, one is made
        promised = (self.promised - skip * len(samples)) // unit
        mend = mend or not self.right or len(samples) > 1
        streams = [[prefix, *samples]] if mend else []
        return Layout(streams, max(0.0, promised / size - 1), None, self.fault)


def walk_wave(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a RIFF, RIFX, RF64 or BW64 file of samples, None where it has none."""
    magic = read_bytes(file, start, 4)
    form = _RIFX if magic == b"RIFX" else _RIFF
    found = _walk(file, start + 12, end, form, b"data")
    if not found.samples or b"fmt " not in found.others:
        return None
    where = found.others[b"fmt "]
    mend = start > 0 or magic == b"BW64" or where.start > found.samples[0].start
    description = read_bytes(file, where.start, len(where))
    header = _wave_header(form, description, sum(map(len, found.samples)))
    return found.layout(header, mend=mend, unit=_unit(form, description))


def walk_wave64(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a Sony Wave64 file, None where it has no samples."""
    found = _walk(file, start + 40, end, _WAVE64, b"data")
    if not found.samples or b"fmt " not in found.others:
        return None
    where = found.others[b"fmt "]
    description = read_bytes(file, where.start, len(where))
    header = _wave_header(_RIFF, description, sum(map(len, found.samples)))
    return found.layout(header, mend=start > 0, unit=_unit(_RIFF, description))


def walk_aiff(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of an AIFF or AIFF-C file, None where it has no samples."""
    found = _walk(file, start + 12, end, _RIFX, b"SSND")
    if not found.samples or len(found.others.get(b"COMM", ())) < 18:
        return None
    where = found.others[b"COMM"]
    common = bytearray(read_bytes(file, where.start, len(where)))
    common[2:6] = b"\xff" * 4  # the number of samples, which would end the compressed kinds
    size = 8 + sum(len(part) - 8 for part in found.samples)
    header = read_bytes(file, start + 8, 4) + _chunk(_RIFX, b"COMM", bytes(common))
    header += b"SSND" + struct.pack(">III", min(size, _UNKNOWN), 0, 0)
    return found.layout(b"FORM" + struct.pack(">I", min(len(header) + size, _UNKNOWN)) + header, 8, start > 0)


def walk_caf(file: BinaryIO, start: int, end: int) -> Layout | None:
    """Return the layout of a CAF file, None where it has no samples. Compressed packets are not repaired."""
    found = _walk(file, start + 8, end, _CAF, b"data")
    where = found.others.get(b"desc", range(0))
    described = read_bytes(file, where.start, len(where))
    if not found.samples or len(described) < 32:
        return None
    if described[8:12] not in (b"lpcm", b"ulaw", b"alaw"):
        packets = found.others.get(b"pakt", range(0))
        stated = read_bytes(file, packets.start + 8, 8 if len(packets) >= 24 else 0)
        frames = int.from_bytes(stated, "big")
        return Layout(frames=frames if 0 < frames < 1 << 62 else None, fault=found.fault)
    size = 4 + sum(len(part) - 4 for part in found.samples)
    header = read_bytes(file, start, 8) + b"desc" + struct.pack(">q", len(where)) + described
    return found.layout(header + b"data" + struct.pack(">qI", size, 0), 4, start > 0)


def _walk(file: BinaryIO, position: int, end: int, form: _Form, samples: bytes) -> _Chunks:
    found, promised, right, others, long_size = [], 0, True, {}, None
    for _ in range(_MOST):
        head = form.head(file, position) if position < end else None
        if head is None or not _is_name(head[0]):
            break
        (name, size), body = head, position + form.overhead
        if found and name in _FILES:
            fix = "take the two apart, by the program that joined them"
            return _Chunks(found, promised, right, others, f"a second sound file begins at byte {position}; {fix}")
        if name == samples:
            if size == 0xFFFFFFFF and long_size is not None:
                size = long_size
            there, wanted = _extent(file, body, size, end, form)
            right, promised, size = right and there == size, promised + wanted, there
            found.append(range(body, body + there))
        elif not 0 <= size <= end - body:
            break
        else:
            others.setdefault(name, range(body, body + size))
            if name == b"ds64" and size >= 16:
                [long_size] = struct.unpack("<q", read_bytes(file, body + 8, 8))
        position = body + size + -size % form.align
        odd = size % 2 and form.align == 2 and not _is_chunk(file, position, end, form)
        if odd and _is_chunk(file, position - 1, end, form):  # the byte that fills it up was left out
            position, right = position - 1, False
    return _Chunks(found, promised, right, others)


def _extent(file: BinaryIO, body: int, claimed: int, end: int, form: _Form) -> tuple[int, int]:
    """Return the bytes of samples from `body` on that are present, and those that the container states."""
    there = end - body
    if not 0 <= claimed <= there:
        streamed = claimed < 0 or claimed >= (_UNKNOWN if struct.calcsize(form.size) == 4 else 1 << 62)
        return there, there if streamed else claimed
    follows = body + claimed
    if any(_is_tail(file, at, end, form) for at in {follows + -claimed % form.align, follows}):
        return claimed, claimed
    return there, there


def _is_tail(file: BinaryIO, position: int, end: int, form: _Form) -> bool:
    """Return whether the bytes after the samples are what may follow them, rather than more samples."""
    if end - position <= _TAIL or _is_chunk(file, position, end, form):
        return True
    head = read_bytes(file, position, 4)
    if head in _FILES | _TRAILING or head[:3] in (b"ID3", b"TAG", b"APE"):
        return True
    zeros = read_bytes(file, position, min(_ZEROS, end - position))
    return len(zeros) == end - position and zeros.count(0) == len(zeros)


def _is_chunk(file: BinaryIO, position: int, end: int, form: _Form) -> bool:
    head = form.head(file, position) if position < end else None
    return head is not None and _is_name(head[0]) and 0 <= head[1] <= end - position - form.overhead + 1


def _is_name(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name)


def _chunk(form: _Form, name: bytes, content: bytes) -> bytes:
    return name + struct.pack(form.size, len(content)) + content + bytes(len(content) % 2)


def _unit(form: _Form, description: bytes) -> int:
    """Return the bytes of a block of samples; of a partial block of a compressed format nothing is decoded."""
    [unit] = struct.unpack_from(form.size[0] + "H", description.ljust(14, b"\0"), 12)
    return max(1, unit)


def _wave_header(form: _Form, description: bytes, size: int) -> bytes:
    """Return the header of a WAV with `size` bytes of samples; RF64 where 32 bits are too few."""
    described = b"WAVE" + _chunk(form, b"fmt ", description)
    if size < _UNKNOWN:
        header = described + b"data" + struct.pack(form.size, size)
        return (b"RIFX" if form is _RIFX else b"RIFF") + struct.pack(form.size, len(header) + size) + header
    sizes = _chunk(form, b"ds64", struct.pack("<QQQI", len(described) + 44 + size, size, 0, 0))
    return b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + described[4:] + b"data" + b"\xff" * 4
