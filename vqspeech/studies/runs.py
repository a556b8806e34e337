"""Runs of a study: their figures and codebooks on disk, and means over seeds."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.arrays import ArrayError, read_arrays
from vqspeech.files import replace_file
from vqspeech.metrics.measures.bootstrap import Estimate


def mean_over_seeds(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Estimate:
    """Return the mean of one figure per seed with Student's interval; a bootstrap's would be too narrow for so few."""
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


class RunStore:
    """Figures of the runs of a study by their settings, so that a study that was stopped can be resumed.

    They are kept in a file of one JSON object per line.
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self._figures = Path(path), {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().split(b"\n") if self.path.is_file() else []
        for line in lines:
            try:
                run = json.loads(line)
                self._figures[_make_key(run["settings"])] = {name: float(one) for name, one in run["figures"].items()}
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # half a line, left by a kill, or damage
        if lines and lines[-1]:
            with open(self.path, "ab") as file:
                file.write(b"\n")

    def load_or_run(self, settings: Mapping[str, Any], run: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Return the figures of the run with these settings; call `run` if they are missing."""
        key = _make_key(settings)
        if key not in self._figures:
            figures = {name: float(value) for name, value in run().items()}
            with open(self.path, "a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps({"settings": dict(settings), "figures": figures}) + "\n")
            self._figures[key] = figures
        return dict(self._figures[key])


def save_arrays(path: str | os.PathLike, settings: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Write the arrays of a run to a file, together with its settings."""
    with replace_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, *arrays, settings=np.array(_make_key(settings)))


def load_arrays(path: str | os.PathLike, settings: Mapping[str, Any]) -> list[np.ndarray] | None:
    """Return the arrays that `save_arrays` wrote for these settings; None for a damaged file or other settings."""
    try:
        content = read_arrays(path)
    except ArrayError:
        return None
    key, arrays = content.pop("settings", None), list(content.values())
    intact = all(one.ndim == 2 and one.dtype == np.float32 and np.isfinite(one).all() for one in arrays)
    return arrays if arrays and intact and key is not None and str(key) == _make_key(settings) else None


def _make_key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
