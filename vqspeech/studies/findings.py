"""What papers say about figures, beside what ours say: agrees, disagrees or undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqspeech.metrics.bootstrap import Estimate
from vqspeech.metrics.report import number
from vqspeech.studies.seeds import over_seeds

AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "undecided"


@dataclass(frozen=True)
class Finding:
    """A published direction: `claim` in words, `source`, and the rows it compares. A figure of the row `first` is said
    to be below that of the row `second`; with a `tolerance`, to be the same but for that share of the second's."""

    claim: str
    source: str
    first: str
    second: str
    tolerance: float | None = None

    def verdict(self, first: Sequence[float], second: Sequence[float]) -> tuple[str, Estimate]:
        """Agrees, disagrees or undecided, and the mean difference first - second over pairs (of one seed each) that
        decides: where its 95 % interval lies wholly on the published side of 0, wholly not there, or on both; with a
        tolerance, wholly within it, wholly outside, or on both.

        Raises `ValueError` where the figures are no pairs.
        """
        if not len(first) or len(first) != len(second):
            raise ValueError(f"{len(first)} and {len(second)} figures are no pairs")
        pairs = np.array([first, second], dtype=np.float64)
        difference = over_seeds(pairs[0] - pairs[1])
        low, high = difference.low, difference.high
        if self.tolerance is None:
            agrees, disagrees = high < 0, low >= 0
        else:
            around = self.tolerance * abs(float(pairs[1].mean()))
            agrees, disagrees = -around <= low and high <= around, low > around or high < -around
        return AGREES if agrees else DISAGREES if disagrees else UNDECIDED, difference

    def row(self, figures: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
        """A row for scores.json: a column a case (a data set, a bit rate) of `figures`, which has by case and by row
        name one figure a seed, in the same order of seeds. Cases without one of the two rows stay empty."""
        cells: dict[str, Any] = {"row": self.claim, "source": self.source}
        for case, rows in figures.items():
            if self.first in rows and self.second in rows:
                verdict, difference = self.verdict(rows[self.first], rows[self.second])
                cells[case] = f"{verdict}: {signed(difference)}"
        return cells


def signed(difference: Estimate) -> str:
    """A difference with its interval, as text."""
    value, low, high = (
        f"{'+' if figure > 0 else ''}{number(figure)}" if np.isfinite(figure) else "?"
        for figure in (difference.value, difference.low, difference.high)
    )
    return f"{value} [{low}, {high}]"


NOTES = (
    "a cell: the verdict, and by how much the first row named is above the second, mean over seeds and 95 % interval "
    "(Student's t of the differences by seed)",
    "agrees: the interval lies on the published side alone; disagrees: on the other alone; undecided: on both",
)
"""How a table of findings is read."""
