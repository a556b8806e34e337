"""Codebooks of 8 bits fitted to points of the plane by every method, with and without replacement of dead codes."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vqspeech.data.toys import TOYS
from vqspeech.metrics.distortion import distortion
from vqspeech.models.quantize import quantizer
from vqspeech.models.quantize.replacement import AsPublished
from vqspeech.studies.findings import Finding
from vqspeech.studies.seeds import Runs, keep_arrays, kept_arrays, over_seeds
from vqspeech.training.fitting import fitted

CODES, POINTS, HELD_OUT = 256, 20_000, 20_000
METHODS: dict[str, dict[str, Any]] = {
    "gradient": {"name": "gradient"},
    "EMA": {"name": "ema"},
    "NSVQ": {"name": "nsvq"},
    "soft EM, τ = 1": {"name": "soft_em"},
    "soft EM, τ = 0.003": {"name": "soft_em", "temperature": 0.003},
    "k-means": {"name": "kmeans", "decay": 1.0},
}
"""Quantisers by what they are called in tables. At a temperature of 1, the paper's, a point of a cloud of deviation 1
chooses among most codes; 0.003 is about the squared distance between neighbours of 256."""
REPLACEMENTS: dict[str, dict[str, Any]] = {
    "never": {"revive_below": 0.0},
    "by vectors": {"revive_below": 0.05, "revive_by": "vectors"},
}
"""Policies for dead codes by what they are called in tables; every method takes and leaves them."""
AUTHORS = "NSVQ, by its authors' code"
"""The row of a method with the replacement that its authors run."""


def published(steps: int) -> dict[str, Any]:
    """Options of the replacement in the code of NSVQ's authors, for a training of so many steps."""
    until = max(1, steps - 2 * AsPublished.PERIOD)
    return {"revive_below": 0.01, "revive_by": "nsvq", "revive_until": until}


_NSVQ = "Vali and Bäckström 2022"
FINDINGS = (
    Finding("NSVQ with its replacement errs less than gradient without", _NSVQ, AUTHORS, "gradient, never"),
    Finding("NSVQ with its replacement errs less than EMA without", _NSVQ, AUTHORS, "EMA, never"),
    Finding("NSVQ with its replacement errs less than k-means without", _NSVQ, AUTHORS, "k-means, never"),
    Finding("NSVQ with our replacement errs less than with its authors'", "no claim", "NSVQ, by batches", AUTHORS),
    Finding("replaced in neither: NSVQ errs less than gradient", _NSVQ, "NSVQ, never", "gradient, never"),
    Finding("replaced in neither: NSVQ errs less than EMA", _NSVQ, "NSVQ, never", "EMA, never"),
    Finding("replaced in neither: NSVQ errs less than k-means", _NSVQ, "NSVQ, never", "k-means, never"),
    Finding("replaced in both: NSVQ errs less than gradient", _NSVQ, "NSVQ, by vectors", "gradient, by vectors"),
    Finding("replaced in both: NSVQ errs less than EMA", _NSVQ, "NSVQ, by vectors", "EMA, by vectors"),
    Finding("replaced in both: NSVQ errs less than k-means", _NSVQ, "NSVQ, by vectors", "k-means, by vectors"),
    Finding("NSVQ with replacement errs less than without", _NSVQ, "NSVQ, by vectors", "NSVQ, never"),
    Finding("soft EM errs less than hard EM", "Roy et al. 2018", "soft EM, τ = 1, never", "EMA, never"),
    Finding("so it does at a lower temperature", "Roy et al. 2018", "soft EM, τ = 0.003, never", "EMA, never"),
)  # fmt: skip
"""What the papers say of these methods, on errors: first as they compare them, replacement confounded with the method,
then without that."""


class ToyStudy:
    """Fits of `steps` steps on batches of `batch` points, for `seeds` seeds; runs and codebooks are kept in `out`."""

    def __init__(self, out: Path, seeds: int, steps: int, batch: int):
        self.out, self.seeds, self.steps, self.batch = out, range(seeds), steps, batch
        self.runs = Runs(out / "runs.jsonl")
        self.found: dict[str, dict[str, list[dict[str, float]]]] = {}

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Options of the quantiser by row."""
        return rows(self.steps)

    def run(self) -> None:
        """Makes all runs that have not been made, with a progress bar."""
        cells = [(toy, row, seed) for seed in self.seeds for toy in TOYS for row in self.rows]
        self.found = {toy: {row: [] for row in self.rows} for toy in TOYS}
        for toy, row, seed in tqdm(cells, desc="toy", unit="fit", disable=None):
            settings = self._settings(toy, row, seed)
            figures = self.runs.figures(settings, partial(self._figures, toy, row, seed))
            self.found[toy][row].append(figures)

    def _figures(self, toy: str, row: str, seed: int) -> Mapping[str, float]:
        book = quantizer(codes=CODES, dimension=2, **self.rows[row])
        # As the papers do: all methods set out from the same noise, not from k-means of a batch.
        book.start(torch.randn(CODES, 2, generator=torch.Generator().manual_seed(seed)))
        fitted(book, torch.from_numpy(TOYS[toy](POINTS, seed)), self.steps, self.batch, seed=seed)
        if seed == 0:
            keep_arrays(self._codebook(toy, row), self._settings(toy, row, seed), [book.weight.detach().numpy()])
        return distortion(book, torch.from_numpy(TOYS[toy](HELD_OUT, 1_000_000 + seed)))

    def _settings(self, toy: str, row: str, seed: int) -> dict[str, Any]:
        made = {"toy": toy, "seed": seed, "codes": CODES, "steps": self.steps, "batch": self.batch}
        return made | self.rows[row]

    def _codebook(self, toy: str, row: str) -> Path:
        return self.out / "codebooks" / f"{toy}, {row}.npz"

    def codebooks(self) -> dict[tuple[str, str], np.ndarray]:
        """The final codebooks of seed 0, float32 `(codes, 2)`, by toy and row; those that are not kept, damaged or of
        other settings are fitted again."""

        def codebook(toy: str, row: str) -> np.ndarray:
            found = kept_arrays(self._codebook(toy, row), self._settings(toy, row, 0))
            if found is None:
                self._figures(toy, row, 0)
                found = kept_arrays(self._codebook(toy, row), self._settings(toy, row, 0))
            assert found is not None
            return found[0]

        return {(toy, row): codebook(toy, row) for toy in TOYS for row in self.rows}

    def table(self) -> list[dict[str, Any]]:
        """A row a method and policy for scores.json: error, dead codes by data."""
        return [
            {"row": row}
            | {f"{toy}: MSE · 1000": over_seeds([1000 * one["mse"] for one in self.found[toy][row]]) for toy in TOYS}
            | {f"{toy}: dead codes": over_seeds([one["dead"] for one in self.found[toy][row]]) for toy in TOYS}
            for row in self.rows
        ]

    def findings(self) -> list[dict[str, Any]]:
        """The published directions beside ours, for scores.json."""
        return [finding.row(self.errors()) for finding in FINDINGS]

    def errors(self) -> dict[str, dict[str, Sequence[float]]]:
        """Mean squared errors, in thousandths, by toy and row, one a seed."""
        return {toy: {row: [1000 * one["mse"] for one in runs] for row, runs in by_row.items()}
                for toy, by_row in self.found.items()}  # fmt: skip


def rows(steps: int) -> dict[str, dict[str, Any]]:
    """Options of the quantiser by row: every method with every policy; NSVQ with its authors' too, and with ours after
    it; `steps` of training."""
    return {
        f"{method}, {replacement}": options | policy
        for method, options in METHODS.items()
        for replacement, policy in REPLACEMENTS.items()
    } | {
        AUTHORS: METHODS["NSVQ"] | published(steps),
        "NSVQ, by batches": METHODS["NSVQ"] | {"revive_below": 0.05, "revive_by": "batches"},
    }
