"""Standard output and standard error: names of any bytes can be printed, and a reader may leave (`| head`).

Progress and messages of the library are shown on standard error while a verb runs (`show_progress`).
"""

import codecs
import io
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from vqspeech.progress import LOGGER, Work, report_to

PATIENCE = 2.0
"""Seconds that work takes before a terminal shows a bar of it."""
LOG_EVERY = 30.0
"""Seconds between two lines about the same work where standard error is no terminal."""


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
    print_line(str(path))


def print_line(text: str) -> None:
    """Print a line to standard output, whatever its bytes, above the progress bars."""
    try:
        _write(text, sys.stdout)
    except UnicodeEncodeError:
        _write(make_printable(text), sys.stdout)


@contextmanager
def show_progress(quiet: bool = False) -> Iterator[None]:
    """Show progress and messages of the library on standard error in the block.

    A terminal gets a bar with the time left of all work that takes more than `PATIENCE` seconds; a file or pipe gets a
    line about it every `LOG_EVERY` seconds.

    Args:
        quiet: Show warnings only.
    """
    handler = _Messages(logging.WARNING if quiet else logging.INFO)
    level, propagate = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.propagate = False  # a library that gives the root logger a handler would show every message twice
    LOGGER.setLevel(logging.INFO)
    bars = _Bars() if _is_terminal(sys.stderr) else _Lines()
    try:
        with report_to(None if quiet else bars):
            yield
    finally:
        bars.close()
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate
        LOGGER.removeHandler(handler)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _write(text: str, stream: TextIO) -> None:
    """Write a line, and the bars of a terminal below it."""
    if not (_is_terminal(stream) and _is_terminal(sys.stderr)):
        print(text, file=stream, flush=True)
        return
    from tqdm import tqdm

    tqdm.write(text, stream)


class _Messages(logging.Handler):
    """Writes messages as they are to what standard error is now."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            _write(make_printable(record.getMessage()), sys.stderr)


class _Bars:
    """Shows work on a terminal."""

    def __init__(self) -> None:
        self.bars: dict[Work, Any] = {}

    def __call__(self, work: Work) -> None:
        bar = self.bars.get(work)
        if bar is None:
            from tqdm import tqdm

            options = {"initial": work.done, "desc": work.what, "unit": work.unit, "delay": PATIENCE}
            bar = self.bars[work] = tqdm(total=work.total, leave=False, dynamic_ncols=True, **options)
        bar.set_postfix_str(work.note, refresh=False)
        bar.update(work.done - bar.n)
        if work.finished:
            self.bars.pop(work).close()

    def close(self) -> None:
        """Remove the bars of work that was never finished."""
        for bar in self.bars.values():
            bar.close()


class _Lines:
    """Shows work in a log."""

    def __init__(self) -> None:
        self.due: dict[Work, float] = {}

    def __call__(self, work: Work) -> None:
        now = time.monotonic()
        if work.finished:
            self.due.pop(work, None)
        elif now >= self.due.setdefault(work, now + LOG_EVERY):
            self.due[work] = now + LOG_EVERY
            minutes, seconds = divmod(round(work.seconds_left), 60)
            note = f", {work.note}" if work.note else ""
            count = f"{work.done:,} of {work.total:,} {work.unit}".rstrip()
            _write(make_printable(f"{work.what}: {count}, {minutes}:{seconds:02d} min left{note}"), sys.stderr)

    def close(self) -> None:
        """Do nothing: a line stays."""


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
