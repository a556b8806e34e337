"""Figures of runs that differ in their seed: kept as they come, and their means."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.metrics.bootstrap import Estimate


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
                self._found[_key(run["settings"])] = run["figures"]
            except (ValueError, KeyError, TypeError):
                continue  # the half of a line that a kill left
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


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
