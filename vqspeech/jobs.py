"""Run the same work on many items, over several processes; one bad item does not stop the rest."""

import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from vqspeech.errors import FAILED, SOME_SKIPPED, ItemError, VqspeechError, describe_error, ends_batch
from vqspeech.progress import track, warn
from vqspeech.signals import block_interrupts, exit_with_parent

AHEAD = 8
"""Items per process that are started ahead of the one whose result is due; their results are held in memory."""
KILLS = 3
"""Items in a row that may kill their process before the rest is given up."""


@dataclass
class Skipped:
    """Names and reasons of the items that could not be used."""

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, error: Exception | str) -> None:
        """Record why an item is skipped, and warn of it."""
        self.reasons[name] = describe_error(error) if isinstance(error, Exception) else error
        warn(f"skipped {name}: {self.reasons[name]}")

    def status(self, done: int) -> int:
        """Return the exit status: 0 where nothing was skipped, `SOME_SKIPPED`, or `FAILED` where nothing was `done`."""
        if self.reasons:
            names = " ".join(list(self.reasons)[:10])
            warn(f"{done} done, {len(self.reasons)} skipped: {names}")
        return (SOME_SKIPPED if done else FAILED) if self.reasons else 0


def attempt(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    """Return (result, None) of `function(item)`, or (None, error) where it fails.

    Raises:
        OSError: The disk is full or not writable, so that every other item would fail as well.
    """
    try:
        return function(item), None
    except VqspeechError as error:
        return None, error
    except Exception as error:
        if ends_batch(error):
            raise
        return None, ItemError(describe_error(error))


def run_jobs(
    function: Callable[[Any], Any], items: Sequence[Any], nj: int = 1, what: str = "items"
) -> Iterator[tuple[Any, Any, Exception | None]]:
    """Yield (item, result, error) of `function(item)` for every item, in order, and report progress.

    An item whose process is killed is tried once more, with no other item running. The processes end with this one,
    however it ends, and are stopped where the caller stops early.

    Args:
        function: What to do with an item; where `nj` > 1, it and the items must pickle.
        items: The items.
        nj: Number of processes, spawned where it is above 1.
        what: What the items are, for reports of progress.

    Yields:
        `error` is a `VqspeechError` that states why there is no result: what `function` raised, or an `ItemError` for
        insufficient memory and for anything unexpected.

    Raises:
        OSError: See `attempt`.
        VqspeechError: Item after item kills its process.
    """
    if nj <= 1 or len(items) < 2:
        for item in track(items, what):
            yield item, *attempt(function, item)
        return
    results = _spread(function, items, min(nj, len(items)), what)
    try:
        for item, (result, error) in track(zip(items, results, strict=True), what, total=len(items)):
            yield item, result, error
    finally:
        results.close()


class _Worker:
    """A process that attempts the items it is sent, one at a time."""

    def __init__(self, function: Callable[[Any], Any]):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        # Pickled here, so that the process can arrange its end before it loads what the function needs.
        self.process = context.Process(target=_work, args=(pickle.dumps(function), theirs), daemon=True)
        with block_interrupts():  # Ctrl-C goes to all processes of a terminal; this one stops the others
            self.process.start()
        theirs.close()

    def stop(self) -> None:
        """Stop the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _work(function: bytes, connection: Connection) -> None:
    exit_with_parent()
    call = pickle.loads(function)  # noqa: S301 -- from the process that started this one
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            outcome = attempt(call, item)
        except OSError as error:
            outcome = None, error
        connection.send(outcome)


def _spread(
    function: Callable[[Any], Any], items: Sequence[Any], nj: int, what: str
) -> Generator[tuple[Any, Exception | None], None, None]:
    """Yield what `attempt` returns for each item, in order, over `nj` processes."""
    idle: list[_Worker] = []
    busy: dict[Any, tuple[_Worker, int]] = {}  # by connection, with the number of the item
    due, alone, tried = deque(range(len(items))), deque[int](), set[int]()
    done: dict[int, tuple[Any, Exception | None]] = {}
    kills = 0

    def start(number: int) -> None:
        worker = idle.pop() if idle else _Worker(function)
        busy[worker.connection] = worker, number
        with suppress(ConnectionError):  # it was killed while it was idle, as reading from it will tell
            worker.connection.send(items[number])

    try:
        for following in range(len(items)):
            while following not in done:
                if alone or any(number in tried for _, number in busy.values()):
                    if not busy:
                        start(alone.popleft())
                else:
                    while due and len(busy) < nj and due[0] < following + AHEAD * nj:
                        start(due.popleft())
                for connection in wait(list(busy)):
                    worker, number = busy[connection]
                    try:
                        outcome = worker.connection.recv()
                    except (EOFError, ConnectionError):
                        worker.stop()
                        del busy[connection]
                        if number not in tried:
                            tried.add(number)
                            alone.append(number)
                            continue
                        kills += 1
                        outcome = None, ItemError(f"a process that worked on {what} was killed by it; is memory short?")
                        if kills == KILLS:
                            raise VqspeechError(
                                f"a process that worked on {what} was killed; is memory short? use fewer --nj"
                            ) from None
                    else:
                        idle.append(busy.pop(connection)[0])
                        kills = 0
                    if outcome[1] is not None and ends_batch(outcome[1]):
                        raise outcome[1]
                    done[number] = outcome
            yield done.pop(following)
    finally:
        for worker in [*idle, *(worker for worker, _ in busy.values())]:
            worker.stop()
