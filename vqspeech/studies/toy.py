"""Codebooks of 8 bits for points of the plane by every method, with and without replacement of dead codes."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vqspeech.data.toys import TOYS
from vqspeech.metrics.measures.codebook import measure_distortion
from vqspeech.models.quantize import make_quantizer
from vqspeech.models.quantize.replacement import AsPublished
from vqspeech.progress import track
from vqspeech.studies.findings import Finding
from vqspeech.studies.runs import RunStore, load_arrays, mean_over_seeds, save_arrays
from vqspeech.training.fitting import fit_quantizer

CODES, POINTS, HELD_OUT = 256, 20_000, 20_000
METHODS: dict[str, dict[str, Any]] = {
    "gradient": {"name": "gradient"},
    "EMA": {"name": "ema"},
    "NSVQ": {"name": "nsvq"},
    "soft EM, τ = 1": {"name": "soft_em"},
    "soft EM, τ = 0.003": {"name": "soft_em", "temperature": 0.003},
    "k-means": {"name": "kmeans", "decay": 1.0},
}
"""Options of the quantiser by the name of the method in tables.

At a temperature of 1, the paper's, a point of a cloud of standard deviation 1 chooses among most codes; 0.003 is about
the squared distance between neighbours of 256."""
REPLACEMENTS: dict[str, dict[str, Any]] = {
    "never": {"revive_below": 0.0},
    "by vectors": {"revive_below": 0.05, "revive_by": "vectors"},
}
"""Policies for dead codes by their name in tables; each is combined with each method."""
AUTHORS = "NSVQ, by its authors' code"
"""Row of NSVQ with the replacement in its authors' code."""


def authors_replacement(steps: int) -> dict[str, Any]:
    """Return the options of the replacement in the code of NSVQ's authors, for a training of `steps` steps."""
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
"""Published claims about errors: first as the papers compare the methods, with replacement confounded with the method,
then without the confound."""


class ToyStudy:
    """Fits to points of the plane for several seeds; figures and codebooks are kept in a folder.

    Args:
        out: Folder of the study.
        seeds: Number of seeds.
        steps: Steps of a fit.
        batch: Points per step.
    """

    def __init__(self, out: Path, seeds: int, steps: int, batch: int):
        self.out, self.seeds, self.steps, self.batch = out, range(seeds), steps, batch
        self.rows = make_rows(steps)
        self.runs = RunStore(out / "runs.jsonl")
        self.results: dict[str, dict[str, list[dict[str, float]]]] = {}

    def run(self) -> None:
        """Make all missing runs, and report progress."""
        cells = [(toy, row, seed) for seed in self.seeds for toy in TOYS for row in self.rows]
        self.results = {toy: {row: [] for row in self.rows} for toy in TOYS}
        for toy, row, seed in track(cells, "toy", "fit"):
            settings = self._settings(toy, row, seed)
            self.results[toy][row].append(self.runs.load_or_run(settings, partial(self._run_one, toy, row, seed)))

    def _run_one(self, toy: str, row: str, seed: int) -> Mapping[str, float]:
        book = make_quantizer(codes=CODES, dimension=2, **self.rows[row])
        # As in the papers: all methods start from the same noise, not from k-means of a batch.
        book.start(torch.randn(CODES, 2, generator=torch.Generator().manual_seed(seed)))
        fit_quantizer(book, torch.from_numpy(TOYS[toy](POINTS, seed)), self.steps, self.batch, seed=seed)
        if seed == 0:
            weights = [book.weight.detach().numpy()]
            save_arrays(self._codebook_path(toy, row), self._settings(toy, row, seed), weights)
        return measure_distortion(book, torch.from_numpy(TOYS[toy](HELD_OUT, 1_000_000 + seed)))

    def _settings(self, toy: str, row: str, seed: int) -> dict[str, Any]:
        common = {"toy": toy, "seed": seed, "codes": CODES, "steps": self.steps, "batch": self.batch}
        return common | self.rows[row]

    def _codebook_path(self, toy: str, row: str) -> Path:
        return self.out / "codebooks" / f"{toy}, {row}.npz"

    def load_codebooks(self) -> dict[tuple[str, str], np.ndarray]:
        """Return the codebooks of seed 0, float32 `(codes, 2)`, by data set and row.

        Those that are missing, damaged or of other settings are fitted again.
        """

        def load(toy: str, row: str) -> np.ndarray:
            arrays = load_arrays(self._codebook_path(toy, row), self._settings(toy, row, 0))
            if arrays is None:
                self._run_one(toy, row, 0)
                arrays = load_arrays(self._codebook_path(toy, row), self._settings(toy, row, 0))
            assert arrays is not None
            return arrays[0]

        return {(toy, row): load(toy, row) for toy in TOYS for row in self.rows}

    def tabulate(self) -> list[dict[str, Any]]:
        """Return the table for scores.json: a row per method and policy, error and dead codes by data set."""
        return [
            {"row": row}
            | {f"{toy}: MSE · 1000": mean_over_seeds(self.list_errors(toy, row)) for toy in TOYS}
            | {f"{toy}: dead codes": mean_over_seeds([one["dead"] for one in self.results[toy][row]]) for toy in TOYS}
            for row in self.rows
        ]

    def tabulate_findings(self) -> list[dict[str, Any]]:
        """Return the published claims and our verdicts, for scores.json."""
        errors = {toy: {row: self.list_errors(toy, row) for row in by_row} for toy, by_row in self.results.items()}
        return [finding.tabulate(errors) for finding in FINDINGS]

    def list_errors(self, toy: str, row: str) -> list[float]:
        """Return the mean squared errors in thousandths, one per seed."""
        return [1000 * one["mse"] for one in self.results[toy][row]]


def make_rows(steps: int) -> dict[str, dict[str, Any]]:
    """Return the options of the quantiser by row, for fits of `steps` steps.

    The rows are every method with every policy, and NSVQ with its authors' replacement and with ours after it.
    """
    return {
        f"{method}, {replacement}": options | policy
        for method, options in METHODS.items()
        for replacement, policy in REPLACEMENTS.items()
    } | {
        AUTHORS: METHODS["NSVQ"] | authors_replacement(steps),
        "NSVQ, by batches": METHODS["NSVQ"] | {"revive_below": 0.05, "revive_by": "batches"},
    }
