"""Which bytes of a sound file to decode, and a file object made of pieces of another one."""

import io
import os
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

Part = bytes | range
"""A piece of a file to read: bytes that are not in it, or the offsets of those that are."""


class Layout(NamedTuple):
    """What the bytes of a sound file say about its length.

    Attributes:
        streams: What to decode, one after the other, each as the pieces of a file; empty for the file as it is.
        lack: What the container states beyond what is present, as a share of what is present.
        frames: The length that the header states, where `streams` do not (samples per channel).
        fault: Why the sound cannot be read whole, with the fix; empty where it can. `{seconds:.2f}` is replaced by the
            duration that is present.
    """

    streams: Sequence[Sequence[Part]] = ()
    lack: float = 0.0
    frames: int | None = None
    fault: str = ""


class Splice(io.RawIOBase):
    """A file for reading that is made of pieces of another one and of other bytes."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]):
        super().__init__()
        self.error: OSError | None = None
        """What went wrong while reading: no exception can pass through libsndfile."""
        self._file, self._parts = file, [part for part in parts if len(part)]
        self._starts, self._size = [], 0
        for part in self._parts:
            self._starts.append(self._size)
            self._size += len(part)
        self._position = self._index = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position (bytes)."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a position, as in `io.IOBase`; one before the start is ignored."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset >= 0:  # as lseek, it stays where it is when it fails
            self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes into a buffer and return their number."""
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._position < self._size:
            inside = self._position - self._starts[self._index]
            if not 0 <= inside < len(self._parts[self._index]):
                self._index = next(i for i, start in reversed([*enumerate(self._starts)]) if start <= self._position)
                continue
            part = self._parts[self._index]
            size = min(len(view) - done, len(part) - inside)
            if isinstance(part, bytes):
                view[done : done + size] = part[inside : inside + size]
            else:
                try:
                    piece = read_bytes(self._file, part[inside], size)
                except OSError as error:
                    self.error, piece = error, b""
                size = len(piece)
                view[done : done + size] = piece
                if not size:  # the file has become shorter
                    break
            self._position, done = self._position + size, done + size
        return done


def read_bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return at most `size` bytes of a file from `offset` on, fewer at its end; none before its start."""
    if offset < 0 or size <= 0:
        return b""
    file.seek(offset)
    return file.read(size)
