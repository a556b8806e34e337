"""Figures of runs that differ in their seed: kept as they come, and their means."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.files import replaced
from vqspeech.metrics.bootstrap import Estimate
from vqspeech.npz import ArrayError, read_arrays


def over_seeds(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Estimate:
    """The mean of one figure a seed, with Student's interval: of so few items a bootstrap's would be too narrow."""
    from scipy.stats import t

    figures = np.asarray(values, dtype=np.float64)
    n = len(figures)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(figures.mean())
    if n < 2:
        return Estimate(mean, math.nan, math.nan, n)
    width = float(t.ppf((1 + confidence) / 2, n - 1) * figures.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - width, mean + width, n)


class Runs:
    """Figures of the runs of a study by their settings, in a file of one JSON object a line: a study that was stopped
    goes on where it was."""

    def __init__(self, path: str | os.PathLike):
        self.path, self._found = Path(path), {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().split(b"\n") if self.path.is_file() else []
        for line in lines:
            try:
                run = json.loads(line)
                self._found[_key(run["settings"])] = {name: float(one) for name, one in run["figures"].items()}
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # the half of a line that a kill left, or damage
        if lines and lines[-1]:
            with open(self.path, "ab") as file:
                file.write(b"\n")

    def figures(self, settings: Mapping[str, Any], run: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """The figures of the run with these settings, which is made now where it has not been made before."""
        key = _key(settings)
        if key not in self._found:
            made = {name: float(value) for name, value in run().items()}
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"settings": dict(settings), "figures": made}) + "\n")
            self._found[key] = made
        return dict(self._found[key])


def keep_arrays(path: str | os.PathLike, settings: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Keep what a run has made, beside the settings that it was made with."""
    with replaced(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, *arrays, settings=np.array(_key(settings)))


def kept_arrays(path: str | os.PathLike, settings: Mapping[str, Any]) -> list[np.ndarray] | None:
    """Return what `keep_arrays` kept of a run with these settings; None where it is damaged, or of another one."""
    try:
        found = read_arrays(path)
    except ArrayError:
        return None
    key, arrays = found.pop("settings", None), list(found.values())
    whole = all(one.ndim == 2 and one.dtype == np.float32 and np.isfinite(one).all() for one in arrays)
    return arrays if arrays and whole and key is not None and str(key) == _key(settings) else None


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
