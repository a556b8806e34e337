"""Time that systems take to translate, alternately sentence by sentence on one machine."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch


def time_sentences(systems: Mapping[str, Callable[[str], object]], lines: Sequence[str]) -> dict[str, list[float]]:
    """Return the seconds that each system takes for each line, one line after the other.

    The systems take turns at every line, in changing order, so that what else the machine does costs all of them alike.

    Args:
        systems: What translates a line, by name.
        lines: The lines; the first ones are translated once before.
    """
    for line in lines[:3]:
        for translate in systems.values():
            translate(line)
    times: dict[str, list[float]] = {name: [] for name in systems}
    names = list(systems)
    for i, line in enumerate(lines):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            _wait()
            begun = time.perf_counter()
            systems[name](line)
            _wait()
            times[name].append(time.perf_counter() - begun)
    return times


def measure_throughput(translate: Callable[[], object], count: int) -> float:
    """Return the lines per second of a call that translates `count` of them."""
    _wait()
    begun = time.perf_counter()
    translate()
    _wait()
    return count / (time.perf_counter() - begun)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
