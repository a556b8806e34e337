"""Every method at several bit rates, dead codes replaced or not: what studies of speech and of images share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vqspeech.metrics.bootstrap import Estimate
from vqspeech.studies import toy
from vqspeech.studies.findings import Finding
from vqspeech.studies.seeds import Runs, over_seeds
from vqspeech.studies.toy import AUTHORS, published

METHODS: Mapping[str, dict[str, Any]] = {
    name: toy.METHODS[name] for name in ("gradient", "EMA", "NSVQ", "soft EM, τ = 1", "k-means")
}
"""Quantisers by what they are called in tables. EMA is hard EM."""
REPLACEMENTS: Mapping[str, dict[str, Any]] = {
    "never": {"revive_below": 0.0},
    "by batches": {"revive_below": 0.05, "revive_by": "batches"},
}
"""Policies for dead codes: none, and ours after NSVQ for all."""
POLICY = (
    "EMA is hard EM; by batches: codes with fewer uses than 0.05 of the last 100 batches go beside those that live, as "
    "often as these are used, ours after NSVQ; by its authors' code: codes used in fewer than 0.01 of the last 100 "
    "batches become copies of those that live, not in the last 200 steps"
)
"""What the names of methods and policies mean, as a note of a table."""
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
"""Published directions, on whatever is lost: NSVQ as its paper compares it, replacement confounded with the method,
then without that."""

Figures = dict[str, float]


class RateStudy(ABC):
    """Fits of `steps` steps on batches of `batch` for `seeds` seeds at `rates`, each the bits of its stages. Runs are
    kept in `out`."""

    name: str
    """What is quantised, in a word."""
    methods: Mapping[str, dict[str, Any]] = METHODS
    columns: Mapping[str, tuple[str, float]]
    """Columns of the tables, each with its figure and what that is multiplied by."""

    def __init__(self, out: Path, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        self.out, self.rates, self.seeds, self.steps, self.batch = out, rates, range(seeds), steps, batch
        self.runs = Runs(out / "runs.jsonl")
        self.found: dict[str, dict[str, list[Figures]]] = {}

    @abstractmethod
    def figures(self, bits: Sequence[int], row: str, seed: int) -> Figures:
        """The figures of one run, which is made where it has not been made."""

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Options of the quantiser by row: every method with every policy, and NSVQ with that of its authors."""
        own = {AUTHORS: self.methods["NSVQ"] | published(self.steps)} if "NSVQ" in self.methods else {}
        return {
            f"{method}, {replacement}": options | policy
            for method, options in self.methods.items()
            for replacement, policy in REPLACEMENTS.items()
        } | own

    def run(self) -> None:
        """Makes all runs that have not been made, with a progress bar: rate by rate, in their order."""
        cells = [(bits, row, seed) for bits in self.rates for seed in self.seeds for row in self.rows]
        self.found = {called(bits): {row: [] for row in self.rows} for bits in self.rates}
        for bits, row, seed in tqdm(cells, desc=self.name, unit="fit", disable=None):
            self.found[called(bits)][row].append(self.figures(bits, row, seed))

    @property
    def middle(self) -> Sequence[int]:
        """The rate in the middle of their order."""
        return self.rates[(len(self.rates) - 1) // 2]

    def table(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """The table of a rate for scores.json: a row a method and policy."""
        found = self.found[called(bits)]
        return [
            {"row": row}
            | {
                column: over_seeds([one[figure] * factor for one in found[row]])
                for column, (figure, factor) in self.columns.items()
            }
            for row in self.rows
        ]

    def findings(self, lost: Mapping[str, Callable[[Figures], float]]) -> list[dict[str, Any]]:
        """The published directions beside ours, for scores.json, on what is `lost`, by name: of each a column a rate.

        Figures count to four places: what is beyond is the rounding of single precision, which decides nothing.
        """
        cases = {
            f"{rate}: {what}": {row: [round(figure(one), 4) for one in runs] for row, runs in by_row.items()}
            for what, figure in lost.items()
            for rate, by_row in self.found.items()
        }
        return [finding.row(cases) for finding in FINDINGS]

    def estimates(self, figure: str, row: str) -> list[Estimate]:
        """A figure of a row by rate."""
        return [over_seeds([one[figure] for one in by_row[row]]) for by_row in self.found.values()]


def called(bits: Sequence[int]) -> str:
    """What a rate is called: "8 bits", or of two stages "8+8 bits"."""
    return "+".join(map(str, bits)) + " bits"
