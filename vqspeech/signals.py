"""End a process early: by a signal, or together with the process that started it."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_PR_SET_PDEATHSIG = 1  # prctl.h


class Interrupted(KeyboardInterrupt):
    """A signal, `number`, asked the process to end."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return "interrupted" if self.number == signal.SIGINT else f"ended by {signal.Signals(self.number).name}"

    @property
    def status(self) -> int:
        """Exit status by which a shell recognises the signal."""
        return 128 + self.number


class _Leave:
    """A handler that ends the process at once, with one line."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, number: int, _: Any) -> None:
        os.write(2, f"{self.name}: {Interrupted(number)}\n".encode())
        os._exit(128 + number)


def exit_on_interrupt(name: str) -> None:
    """Let Ctrl-C end this process at once with one line of the program `name`.

    This is for the time while modules are imported and nothing is open: an exception would be raised inside one of
    them, and often turn into another one. A signal that is ignored (in the background, by nohup) stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Leave(name))


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise `Interrupted` in the block, so that open files are closed.

    A second signal ends the process at once. Signals that are ignored or have a handler are left alone, and so are all
    outside the main thread, which alone receives them.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler) or isinstance(handler, _Leave):
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def keep_handlers() -> Iterator[None]:
    """Restore the handlers of Ctrl-C, SIGTERM and SIGHUP after the block, for libraries that install their own."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(number: int, _: Any) -> None:
    for other in _ENDING:
        if signal.getsignal(other) is _interrupt:
            signal.signal(other, signal.SIG_DFL)
    raise Interrupted(number)


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from a process that is started in the block, for good; this process receives it after the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_with_parent() -> None:
    """Let this process of `multiprocessing` end as soon as the one that started it does, even by kill -9."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # it ended before that
            os._exit(1)
    else:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
