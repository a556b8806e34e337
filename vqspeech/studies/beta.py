"""The weight β of the commitment loss, from 0.1 to 2, in small VQ-VAEs of handwritten digits."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vqspeech.data.digits import digits
from vqspeech.metrics.bootstrap import Estimate
from vqspeech.metrics.codebook import perplexity
from vqspeech.models.autoencoder import Autoencoder
from vqspeech.studies.findings import Finding
from vqspeech.studies.seeds import Runs, over_seeds
from vqspeech.training.fitting import trained

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0)
METHODS: Mapping[str, dict[str, Any]] = {
    "eq. 3": {"name": "gradient", "revive_below": 0.0, "initial": "uniform"},
    "gradient": {"name": "gradient"},
    "EMA": {"name": "ema"},
}
"""Quantisers by what they are called in tables: the paper's setting, eq. 3 alone, and ours, both of which begin at
k-means of the first batch and revive dead codes."""
SIZES = {"hidden": 128, "codes_each": 8, "latents": 4}
CODES = 64
LR = 2e-3
TOLERANCE = 0.05
"""Errors that differ by less than this share are called the same."""
FINDINGS = tuple(
    Finding(f"β = {beta:g} errs as β = 0.25", "1711.00937, section 3.2", f"β = {beta:g}", "β = 0.25", TOLERANCE)
    for beta in BETAS if beta != 0.25
)  # fmt: skip


class BetaStudy:
    """Models trained for `steps` steps on batches of `batch` digits, for `seeds` seeds; runs are kept in `out`."""

    def __init__(self, out: Path, seeds: int, steps: int, batch: int):
        self.seeds, self.steps, self.batch = range(seeds), steps, batch
        self.runs = Runs(out / "runs.jsonl")
        self.found: dict[tuple[str, float], list[dict[str, float]]] = {}

    def run(self) -> None:
        """Makes all runs that have not been made, with a progress bar."""
        cells = [(method, beta, seed) for seed in self.seeds for method in METHODS for beta in BETAS]
        self.found = {(method, beta): [] for method in METHODS for beta in BETAS}
        train, held = map(torch.from_numpy, digits())
        for method, beta, seed in tqdm(cells, desc="beta", unit="model", disable=None):
            options = METHODS[method] | {"codes": CODES, "beta": beta}
            settings = options | SIZES | {"seed": seed, "lr": LR, "steps": self.steps, "batch": self.batch}
            figures = self.runs.figures(settings, partial(self._figures, options, train, held, seed))
            self.found[method, beta].append(figures)

    def _figures(
        self, options: Mapping[str, Any], train: torch.Tensor, held: torch.Tensor, seed: int
    ) -> dict[str, float]:
        torch.manual_seed(seed)
        model = Autoencoder(train.shape[1], float(train.var(0).mean()), options, **SIZES)
        trained(model, train, self.steps, self.batch, LR, seed)
        with torch.no_grad():
            losses, found = model(held)
        usage = found.usage.numpy()
        return {
            "error": float(losses["reconstruction"]),
            "perplexity": perplexity(usage),
            "dead": float((usage == 0).sum()),
        }

    def table(self) -> list[dict[str, Any]]:
        """A row a weight for scores.json: error, perplexity and dead codes by method."""
        figures = {"error (% of variance)": (100, "error"), "perplexity": (1, "perplexity"), "dead codes": (1, "dead")}
        return [
            {"row": f"β = {beta:g}"} | {
                f"{method}: {title}": over_seeds([factor * one[name] for one in self.found[method, beta]])
                for method in METHODS for title, (factor, name) in figures.items()
            }
            for beta in BETAS
        ]  # fmt: skip

    def findings(self) -> list[dict[str, Any]]:
        """The published claim beside ours, for scores.json."""
        figures: dict[str, dict[str, Sequence[float]]] = {
            method: {f"β = {beta:g}": self.errors(method, beta) for beta in BETAS} for method in METHODS
        }
        return [finding.row(figures) for finding in FINDINGS]

    def lines(self) -> dict[str, tuple[Sequence[float], Sequence[Estimate]]]:
        """Errors over β by method, to be drawn."""
        return {method: (BETAS, [over_seeds(self.errors(method, beta)) for beta in BETAS]) for method in METHODS}

    def errors(self, method: str, beta: float) -> list[float]:
        """Held-out errors in percent of the variance, one a seed."""
        return [100 * one["error"] for one in self.found[method, beta]]
