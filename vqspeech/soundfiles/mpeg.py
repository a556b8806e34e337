"""MPEG audio (MP3 and its predecessors): frames that each state their length; the first may state their number."""

import struct
from typing import BinaryIO, NamedTuple

from vqspeech.soundfiles.layout import Layout, read_bytes

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates (Hz) by the version's two bits: MPEG 1, 2, 2.5."""
_FIRST = {
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_LATER = {
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates (kbit/s) by layer, of MPEG 1 and of the later ones."""
_SEARCH = 1 << 20
"""Bytes in which the next frame is looked for."""


class _Frame(NamedTuple):
    """An MPEG frame: its bytes, its samples, and what all frames of a stream share (version, layer, sample rate)."""

    size: int
    samples: int
    kind: tuple[int, int, int]


def walk_mpeg(file: BinaryIO, start: int, end: int, search: bool = False) -> Layout | None:
    """Return the layout of MPEG audio that begins at `start` (with `search`, or later); None where there is none.

    A frame of layer III that states the number of frames (Xing) is put in front where there is none, or where its
    number is wrong; tags and other bytes between the frames are left out.
    """
    first = _search(file, start, end)
    if first is None or (first > start and not search):
        return None
    frame = _frame(read_bytes(file, first, 4))
    assert frame is not None
    kind, samples = frame.kind, frame.samples
    position: int | None = first
    parts: list[range] = []
    count = stated = stating = 0
    while position is not None and position < end:
        raw = read_bytes(file, position, 56)
        frame = _frame(raw)
        if frame is None:
            position = _skip_tag(file, position, end) or _search(file, position + 1, end)
        elif frame.kind != kind:
            position = _search(file, position, end)
            frame = None if position is None else _frame(read_bytes(file, position, 4))
            if frame is not None and frame.kind != kind:
                return Layout(fault="changes its sample rate or layer within; write it anew by one program")
        elif position + frame.size > end:
            break
        else:
            number = _stated_frames(raw, frame)
            if number is not None:
                stated, stating = stated + number, stating + 1
            elif parts and parts[-1].stop == position:
                parts[-1] = range(parts[-1].start, position + frame.size)
            else:
                parts.append(range(position, position + frame.size))
            count += number is None
            position += frame.size
    if not count:
        return Layout(fault="holds no whole frame of sound; copy it again")
    lack = stated / count - 1 if stated > count + stating else 0.0
    if kind[1] != 3:
        return Layout([parts] if len(parts) > 1 or first > start else [], 0.0, count * samples)
    if len(parts) == stating == 1 and abs(stated - count) <= 1:
        return Layout()
    head = read_bytes(file, parts[0].start, 4)
    return Layout([[_xing_frame(head, count, sum(map(len, parts))), *parts]], lack)


def _frame(raw: bytes) -> _Frame | None:
    """Return the frame with these first four bytes; None where they do not begin a frame."""
    if len(raw) < 4 or raw[0] != 0xFF or raw[1] < 0xE0:
        return None
    version, layer, bits, rate = raw[1] >> 3 & 3, 4 - (raw[1] >> 1 & 3), raw[2] >> 4, raw[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    hertz, kilobits = _RATES[version][rate], (_FIRST if version == 3 else _LATER)[layer][bits]
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576
    slot = 4 if layer == 1 else 1
    size = (samples // 8 * kilobits * 1000 // hertz // slot + (raw[2] >> 1 & 1)) * slot
    return _Frame(size, samples, (version, layer, hertz))


def _search(file: BinaryIO, position: int, end: int) -> int | None:
    """Return where the next frame begins that two more of its kind follow, or the end; None where nowhere near."""
    window = read_bytes(file, position, min(_SEARCH, end - position))
    at = window.find(0xFF)
    while at >= 0:
        frame = _frame(window[at : at + 4])
        if frame is not None:
            kind, there, row = frame.kind, position + at, 0
            while frame is not None and frame.kind == kind and row < 3:
                row, there = row + 1, there + frame.size
                frame = _frame(read_bytes(file, there, 4))
            if row == 3 or there >= end or _skip_tag(file, there, end):
                return position + at
        at = window.find(0xFF, at + 1)
    return None


def _skip_tag(file: BinaryIO, position: int, end: int) -> int | None:
    """Return where a tag that begins at `position` ends."""
    head = read_bytes(file, position, 32)
    if head[:3] == b"TAG":
        return position + 128
    if head[:3] == b"ID3":
        after = skip_id3(file, position)
        return after if after > position else None
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, _, flags = struct.unpack("<III", head[12:24])
        return min(end, position + 32 + size) if flags >> 29 & 1 else position + 32
    return None


def skip_id3(file: BinaryIO, position: int) -> int:
    """Return where the ID3v2 tags end that begin at `position`; where none does, `position`."""
    while (head := read_bytes(file, position, 10))[:3] == b"ID3" and len(head) == 10 and max(head[6:]) < 128:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        position += 10 + size + 10 * (head[5] >> 4 & 1)
    return position


def _stated_frames(raw: bytes, frame: _Frame) -> int | None:
    """Return the number of frames that a Xing, Info or VBRI frame states, or 0; None for other frames."""
    if frame.kind[1] != 3 or len(raw) < 54:
        return None
    side = _side_information(raw)
    if raw[side : side + 4] in (b"Xing", b"Info"):
        flags, number = struct.unpack_from(">II", raw, side + 4)
        return number if flags & 1 else 0
    return struct.unpack_from(">I", raw, 50)[0] if raw[36:40] == b"VBRI" else None


def _side_information(head: bytes | bytearray) -> int:
    """Return where the side information of a layer III frame ends."""
    mono, first = head[3] >> 6 == 3, head[1] >> 3 & 3 == 3
    return 4 + ((17 if mono else 32) if first else (9 if mono else 17))


def _xing_frame(like: bytes, count: int, size: int) -> bytes:
    """Return a Xing frame, with a header as `like`, that states `count` frames in `size` bytes."""
    head = bytearray(like)
    head[1] |= 1  # no checksum
    side = _side_information(head)
    for bits in range(1, 15):
        head[2] = head[2] & 0x0C | bits << 4
        frame = _frame(bytes(head))
        if frame is not None and frame.size >= side + 16:
            stated = bytes(head) + bytes(side - 4) + b"Xing" + struct.pack(">III", 3, count, frame.size + size)
            return stated + bytes(frame.size - len(stated))
    raise AssertionError("the largest frame holds it")
