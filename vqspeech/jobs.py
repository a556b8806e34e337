"""The same work on many items, over several processes, where one bad item must not stop the rest."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tqdm import tqdm

from vqspeech.errors import FAILED, SOME_SKIPPED, VqspeechError


@dataclass
class Skipped:
    """Names and reasons of the items that could not be used."""

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, error: Exception | str) -> None:
        """Remembers `name` and says at once, on stderr, why it is skipped."""
        self.reasons[name] = str(error)
        tqdm.write(f"skipped {name}: {error}", file=sys.stderr)

    def status(self, done: int) -> int:
        """Exit status: 0 where nothing was skipped, `SOME_SKIPPED`, or `FAILED` where nothing at all was `done`."""
        if self.reasons:
            print(f"{done} done, {len(self.reasons)} skipped: {' '.join(list(self.reasons)[:10])}", file=sys.stderr)
        return (SOME_SKIPPED if done else FAILED) if self.reasons else 0


def _attempt(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return function(item), None
    except VqspeechError as error:
        return None, error


def outcomes(
    function: Callable[[Any], Any], items: Sequence[Any], nj: int = 1, what: str = "items"
) -> Iterator[tuple[Any, Any, Exception | None]]:
    """(item, result, error) of `function(item)` for every item, in order, with a progress bar.

    `error` is the `VqspeechError` that `function` raised, with no result; other exceptions go through. With `nj` > 1
    the work is spread over spawned processes, so `function` and the items must pickle; `VqspeechError` is raised where
    one of them is killed. Whoever stops early waits for the items at work, not for all.
    """
    attempt = partial(_attempt, function)
    progress = partial(tqdm, total=len(items), desc=what, unit="", disable=None, leave=False)
    if nj <= 1 or len(items) < 2:
        for item in progress(items):
            yield item, *attempt(item)
        return
    pool = ProcessPoolExecutor(nj, mp_context=multiprocessing.get_context("spawn"))
    try:
        results = pool.map(attempt, items, chunksize=max(1, min(16, len(items) // (4 * nj))))
        for item, (result, error) in progress(zip(items, results, strict=True)):
            yield item, result, error
    except BrokenProcessPool:
        raise VqspeechError(f"a process that worked on {what} was killed; is memory short? use fewer --nj") from None
    finally:
        pool.shutdown(cancel_futures=True)
