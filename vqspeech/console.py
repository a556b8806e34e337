"""Standard output and standard error: names of any bytes can be printed, and a reader may leave (`| head`)."""

import codecs
import io
import os
import sys
from typing import Any


def open_standard_streams() -> None:
    """Reopen `sys.stdout` and `sys.stderr`, so that they print what their encoding lacks and outlive their reader.

    The output of a command reports its work, which does not stop when the reader leaves. Bytes of a name that are not
    text are printed as they are, characters that the encoding lacks as their number. Each line is written as it ends.
    """
    codecs.register_error("names", _encode_rest)
    for name, handler in (("stdout", "names"), ("stderr", "backslashreplace")):
        stream: Any = getattr(sys, name)
        try:
            number = stream.fileno()
        except (AttributeError, OSError, ValueError):  # closed, or no file
            continue
        if os.name != "posix":
            stream.reconfigure(errors=handler, line_buffering=True)
            continue
        raw = io.BufferedWriter(_Heard(number, "wb", closefd=False))
        setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, handler, line_buffering=True))


def make_printable(text: str) -> str:
    """Return `text` with bytes that are not text as their numbers, for streams that the program has not opened."""
    return text.encode(errors="backslashreplace").decode()


def print_path(path: str | os.PathLike) -> None:
    """Print a path to standard output, whatever its bytes and whatever the stream."""
    try:
        print(path)
    except UnicodeEncodeError:
        print(make_printable(str(path)))


class _Heard(io.FileIO):
    """A file that may be a pipe; what is written after its reader has left is dropped."""

    def write(self, data: Any, /) -> int | None:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


def _encode_rest(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = []
    for character in error.object[error.start : error.end]:
        byte = ord(character) - 0xDC00  # as os.fsdecode makes it of a byte that is not text
        parts.append(bytes([byte]) if 0x80 <= byte <= 0xFF else character.encode("ascii", "backslashreplace"))
    return b"".join(parts), error.end
