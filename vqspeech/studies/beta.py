"""The weight β of the commitment loss, from 0.1 to 2, in small VQ-VAEs of handwritten digits."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vqspeech.data.toys import load_digits
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.metrics.measures.codebook import perplexity
from vqspeech.models.autoencoder import Autoencoder
from vqspeech.progress import track
from vqspeech.studies.findings import Finding
from vqspeech.studies.runs import RunStore, mean_over_seeds
from vqspeech.training.fitting import fit_autoencoder

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0)
METHODS: Mapping[str, dict[str, Any]] = {
    "eq. 3": {"name": "gradient", "revive_below": 0.0, "initial": "uniform"},
    "gradient": {"name": "gradient"},
    "EMA": {"name": "ema"},
}
"""Options of the quantiser by the name of the method in tables.

The first is the paper's setting, eq. 3 alone; the others are ours, which start from k-means of the first batch and
revive dead codes."""
SIZES = {"hidden": 128, "codes_each": 8, "latents": 4}
CODES = 64
LR = 2e-3
TOLERANCE = 0.05
"""Errors that differ by less than this share count as equal."""
FINDINGS = tuple(
    Finding(f"β = {beta:g} errs as β = 0.25", "1711.00937, section 3.2", f"β = {beta:g}", "β = 0.25", TOLERANCE)
    for beta in BETAS if beta != 0.25
)  # fmt: skip


class BetaStudy:
    """Models of handwritten digits for several weights and seeds; figures are kept in a folder.

    Args:
        out: Folder of the study.
        seeds: Number of seeds.
        steps: Steps of a training.
        batch: Digits per step.
    """

    def __init__(self, out: Path, seeds: int, steps: int, batch: int):
        self.seeds, self.steps, self.batch = range(seeds), steps, batch
        self.runs = RunStore(out / "runs.jsonl")
        self.results: dict[tuple[str, float], list[dict[str, float]]] = {}

    def run(self) -> None:
        """Make all missing runs, and report progress."""
        cells = [(method, beta, seed) for seed in self.seeds for method in METHODS for beta in BETAS]
        self.results = {(method, beta): [] for method in METHODS for beta in BETAS}
        train, held_out = map(torch.from_numpy, load_digits())
        for method, beta, seed in track(cells, "beta", "model"):
            options = METHODS[method] | {"codes": CODES, "beta": beta}
            settings = options | SIZES | {"seed": seed, "lr": LR, "steps": self.steps, "batch": self.batch}
            figures = self.runs.load_or_run(settings, partial(self._run_one, options, train, held_out, seed))
            self.results[method, beta].append(figures)

    def _run_one(
        self, options: Mapping[str, Any], train: torch.Tensor, held_out: torch.Tensor, seed: int
    ) -> dict[str, float]:
        torch.manual_seed(seed)
        model = Autoencoder(train.shape[1], float(train.var(0).mean()), options, **SIZES)
        fit_autoencoder(model, train, self.steps, self.batch, LR, seed)
        with torch.no_grad():
            losses, quantised = model(held_out)
        usage = quantised.usage.numpy()
        return {
            "error": float(losses["reconstruction"]),
            "perplexity": perplexity(usage),
            "dead": float((usage == 0).sum()),
        }

    def tabulate(self) -> list[dict[str, Any]]:
        """Return the table for scores.json: a row per weight, error, perplexity and dead codes by method."""
        figures = {"error (% of variance)": (100, "error"), "perplexity": (1, "perplexity"), "dead codes": (1, "dead")}
        return [
            {"row": f"β = {beta:g}"} | {
                f"{method}: {title}": mean_over_seeds([factor * one[name] for one in self.results[method, beta]])
                for method in METHODS for title, (factor, name) in figures.items()
            }
            for beta in BETAS
        ]  # fmt: skip

    def tabulate_findings(self) -> list[dict[str, Any]]:
        """Return the published claims and our verdicts, for scores.json."""
        figures: dict[str, dict[str, Sequence[float]]] = {
            method: {f"β = {beta:g}": self.list_errors(method, beta) for beta in BETAS} for method in METHODS
        }
        return [finding.tabulate(figures) for finding in FINDINGS]

    def estimate_curves(self) -> dict[str, tuple[Sequence[float], Sequence[Estimate]]]:
        """Return the errors over β by method, as `pictures.draw_curves` takes them."""
        return {
            method: (BETAS, [mean_over_seeds(self.list_errors(method, beta)) for beta in BETAS]) for method in METHODS
        }

    def list_errors(self, method: str, beta: float) -> list[float]:
        """Return the held-out errors in percent of the variance, one per seed."""
        return [100 * one["error"] for one in self.results[method, beta]]
