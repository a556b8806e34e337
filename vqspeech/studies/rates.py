"""Every method at several bit rates, with and without replacement of dead codes: the base of two studies."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.progress import track
from vqspeech.studies import toy
from vqspeech.studies.findings import Finding
from vqspeech.studies.runs import RunStore, mean_over_seeds
from vqspeech.studies.toy import AUTHORS, authors_replacement

METHODS: Mapping[str, dict[str, Any]] = {
    name: toy.METHODS[name] for name in ("gradient", "EMA", "NSVQ", "soft EM, τ = 1", "k-means")
}
"""Options of the quantiser by the name of the method in tables. EMA is hard EM."""
REPLACEMENTS: Mapping[str, dict[str, Any]] = {
    "never": {"revive_below": 0.0},
    "by batches": {"revive_below": 0.05, "revive_by": "batches"},
}
"""Policies for dead codes: no replacement, and ours after NSVQ for every method."""
POLICY = (
    "EMA is hard EM; by batches (ours, after NSVQ): codes with fewer uses than 0.05 of the last 100 batches are "
    "replaced by active codes in proportion to their use; by its authors' code: codes used in fewer than 0.01 of the "
    "last 100 batches are replaced by copies of active codes, except in the last 200 steps"
)
"""Note below a table: the names of methods and policies."""
_NSVQ, _GAIN = "Vali and Bäckström 2022", "said of Vali and Bäckström 2022"
_OURS = "NSVQ, by batches"
_RIVALS = ("gradient", "EMA", "k-means")
_WHERE = (("neither", "never"), ("both", "by batches"))
FINDINGS = (
    *(
        Finding(f"NSVQ with its replacement errs less than {one} without", _NSVQ, AUTHORS, f"{one}, never")
        for one in _RIVALS
    ),
    *(
        Finding(f"NSVQ with our replacement errs less than {one} without", "no claim", _OURS, f"{one}, never")
        for one in _RIVALS
    ),
    *(
        Finding(f"replaced in {where}: NSVQ errs less than {one}", _NSVQ, f"NSVQ, {policy}", f"{one}, {policy}")
        for where, policy in _WHERE
        for one in _RIVALS
    ),
    Finding("NSVQ with replacement errs less than without", _GAIN, AUTHORS, "NSVQ, never"),
    Finding("NSVQ with our replacement errs less than with its authors'", "no claim", _OURS, AUTHORS),
    Finding("gradient with replacement errs less than NSVQ without", _GAIN, "gradient, by batches", "NSVQ, never"),
    *(
        Finding(
            f"replaced in {where}: gradient errs as NSVQ does, within 2 %", _GAIN, f"gradient, {policy}",
            f"NSVQ, {policy}", 0.02,
        )
        for where, policy in _WHERE
    ),
    Finding("EMA with replacement errs less than without", "Dhariwal et al. 2020", "EMA, by batches", "EMA, never"),
    *(
        Finding(
            f"replaced in {where}: soft EM errs less than hard EM", "Roy et al. 2018", f"soft EM, τ = 1, {policy}",
            f"EMA, {policy}",
        )
        for where, policy in _WHERE
    ),
)  # fmt: skip
"""Published claims about losses: NSVQ as its paper compares it, with replacement confounded with the method, then
without the confound."""

Figures = dict[str, float]


class RateStudy(ABC):
    """Fits of every method at several rates and seeds; figures of runs are kept in a folder.

    Args:
        out: Folder of the study.
        rates: The bits of each stage, by rate.
        seeds: Number of seeds.
        steps: Steps of a fit.
        batch: Items per step.
    """

    name: str
    """What is quantised, in one word."""
    methods: Mapping[str, dict[str, Any]] = METHODS
    columns: ClassVar[Mapping[str, tuple[str, float]]]
    """Figure and factor by column of the tables."""

    def __init__(self, out: Path, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        self.out, self.rates, self.seeds, self.steps, self.batch = out, rates, range(seeds), steps, batch
        self.runs = RunStore(out / "runs.jsonl")
        self.results: dict[str, dict[str, list[Figures]]] = {}

    @abstractmethod
    def load_or_run(self, bits: Sequence[int], row: str, seed: int) -> Figures:
        """Return the figures of one run, which is made if it is missing."""

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Options of the quantiser by row: every method with every policy, and NSVQ with that of its authors."""
        own = {AUTHORS: self.methods["NSVQ"] | authors_replacement(self.steps)} if "NSVQ" in self.methods else {}
        return {
            f"{method}, {replacement}": options | policy
            for method, options in self.methods.items()
            for replacement, policy in REPLACEMENTS.items()
        } | own

    def run(self) -> None:
        """Make all missing runs, rate by rate, and report progress."""
        cells = [(bits, row, seed) for bits in self.rates for seed in self.seeds for row in self.rows]
        self.results = {name_rate(bits): {row: [] for row in self.rows} for bits in self.rates}
        for bits, row, seed in track(cells, self.name, "fit"):
            self.results[name_rate(bits)][row].append(self.load_or_run(bits, row, seed))

    @property
    def middle_rate(self) -> Sequence[int]:
        """The rate in the middle of the order of `rates`."""
        return self.rates[(len(self.rates) - 1) // 2]

    def tabulate(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """Return the table of a rate for scores.json: a row per method and policy."""
        results = self.results[name_rate(bits)]
        return [
            {"row": row}
            | {
                column: mean_over_seeds([one[figure] * factor for one in results[row]])
                for column, (figure, factor) in self.columns.items()
            }
            for row in self.rows
        ]

    def tabulate_findings(self, losses: Mapping[str, Callable[[Figures], float]]) -> list[dict[str, Any]]:
        """Return the published claims and our verdicts for scores.json, with a column per rate and loss.

        Figures count to four places; beyond them is the rounding of single precision.
        """
        cases = {
            f"{rate}: {name}": {row: [round(loss(one), 4) for one in runs] for row, runs in by_row.items()}
            for name, loss in losses.items()
            for rate, by_row in self.results.items()
        }
        return [finding.tabulate(cases) for finding in FINDINGS]

    def estimate_figure(self, figure: str, row: str) -> list[Estimate]:
        """Return the mean of a figure over seeds, for each rate."""
        return [mean_over_seeds([one[figure] for one in by_row[row]]) for by_row in self.results.values()]


def name_rate(bits: Sequence[int]) -> str:
    """Return the name of a rate: "8 bits", or of two stages "8+8 bits"."""
    return "+".join(map(str, bits)) + " bits"
