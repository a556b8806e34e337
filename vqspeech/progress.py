"""Progress of long work and messages about it. The library prints nothing: its caller decides what becomes of them.

    with report_to(lambda work: print(f"{work.what}: {work.share:.0%}")):
        model.convert(wave, "p225")

Messages go to the logger "vqspeech" of `logging`. The command line shows both (`vqspeech.console`).
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

LOGGER = logging.getLogger("vqspeech")
"""Receives the messages: `INFO` is what may be left out, `WARNING` what should be read."""
LOGGER.addHandler(logging.NullHandler())
INTERVAL = 0.1
"""Seconds between two reports of the same work, at least."""
Item = TypeVar("Item")


class Work:
    """Work of known length, whose progress is reported to the listener of the context that it is started in.

    Attributes:
        what: What is done, such as "decoding".
        total: Its number of steps.
        unit: What a step is; empty where that needs no word.
        done: Steps that are done.
        note: Figures of the moment, such as a loss.
        finished: Whether this is its last report; `done` may be less than `total` where the work was ended early.

    Args:
        what: See above.
        total: See above.
        unit: See above.
        done: See above.
        shown: Whether it is reported at all.
    """

    def __init__(self, what: str, total: int, unit: str = "", done: int = 0, shown: bool = True):
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.note, self.finished = "", False
        self._listener = _LISTENER.get() if shown else None
        self._first, self._started, self._next = done, time.monotonic(), 0.0
        self._report()

    @property
    def share(self) -> float:
        """Share of the work that is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0

    @property
    def seconds_left(self) -> float:
        """Seconds that the rest takes at the mean speed so far; infinite before the first step."""
        steps = self.done - self._first
        return (time.monotonic() - self._started) * (self.total - self.done) / steps if steps else math.inf

    def update(self, steps: int = 1) -> None:
        """Count steps as done."""
        self.done += steps
        if self._listener is not None and time.monotonic() >= self._next:
            self._report()

    def close(self) -> None:
        """Report the end of the work."""
        if not self.finished:
            self.finished = True
            self._report()

    def _report(self) -> None:
        if self._listener is not None:
            self._next = time.monotonic() + INTERVAL
            self._listener(self)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Listener = Callable[[Work], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def report_to(listener: Listener | None) -> Iterator[None]:
    """Report the progress of all work that starts in the block to `listener`; None: to nobody.

    It is called with the `Work` at its start, then at most every `INTERVAL` seconds, and at its end. Work within work
    is reported as well.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def track(
    items: Iterable[Item], what: str, unit: str = "", total: int | None = None, shown: bool = True
) -> Iterator[Item]:
    """Yield items, and report each as a step of work once the next one is asked for.

    Args:
        items: The items.
        what: As of `Work`.
        unit: As of `Work`.
        total: Their number; by default, their length.
        shown: As of `Work`.
    """
    with Work(what, len(items) if total is None and isinstance(items, Sized) else total or 0, unit, 0, shown) as work:
        for item in items:
            yield item
            work.update()


def report(text: str) -> None:
    """Report what a user may want to know."""
    LOGGER.info(text)


def warn(text: str) -> None:
    """Report what a user should know."""
    LOGGER.warning(text)
