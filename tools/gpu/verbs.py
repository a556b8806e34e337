"""Verbs of the toolkit within a script, each shown with the time since the start; one that fails ends the script."""

import sys
import time
from collections.abc import Callable

from vqspeech.cli import main as vqspeech


def make_runner(start: float, *before: str) -> Callable[..., None]:
    """Return a function that runs a verb, given by its words.

    Args:
        start: When the script began, by `time.perf_counter` (seconds).
        before: Words before those of each verb, such as "vision".
    """

    def run(*words: object) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {' '.join(map(str, words))}", flush=True)
        if status := vqspeech([*before, *map(str, words)]):
            sys.exit(status)

    return run
