"""Published claims about figures, and whether ours agree, disagree, or leave them undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.metrics.reports.markdown import format_number
from vqspeech.studies.runs import mean_over_seeds

AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "undecided"


@dataclass(frozen=True)
class Finding:
    """A published claim about two rows of a table.

    Attributes:
        claim: The claim in words.
        source: The paper.
        first: The row whose figure is claimed to be lower than that of `second`, or with a tolerance to equal it.
        second: The other row.
        tolerance: Difference, as a share of the figure of `second`, within which the two count as equal.
    """

    claim: str
    source: str
    first: str
    second: str
    tolerance: float | None = None

    def judge(self, first: Sequence[float], second: Sequence[float]) -> tuple[str, Estimate]:
        """Judge the claim by the mean difference first - second over pairs, one pair per seed.

        It agrees where the 95 % interval lies wholly on the published side of 0, disagrees where it lies wholly on the
        other, and is undecided where it covers both. With a tolerance, inside and outside of it take the place of the
        two sides.

        Returns:
            The verdict and the difference.

        Raises:
            ValueError: The figures are not pairs.
        """
        if not len(first) or len(first) != len(second):
            raise ValueError(f"{len(first)} and {len(second)} figures are not pairs")
        pairs = np.array([first, second], dtype=np.float64)
        difference = mean_over_seeds(pairs[0] - pairs[1])
        low, high = difference.low, difference.high
        if self.tolerance is None:
            agrees, disagrees = high < 0, low >= 0
        else:
            limit = self.tolerance * abs(float(pairs[1].mean()))
            agrees, disagrees = -limit <= low and high <= limit, low > limit or high < -limit
        return AGREES if agrees else DISAGREES if disagrees else UNDECIDED, difference

    def tabulate(self, figures: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
        """Return a row for scores.json with a column per case, such as a data set or a bit rate.

        Args:
            figures: By case and by name of row, one figure per seed, in the same order of seeds. The cell of a case
                without one of the two rows stays empty.
        """
        cells: dict[str, Any] = {"row": self.claim, "source": self.source}
        for case, rows in figures.items():
            if self.first in rows and self.second in rows:
                verdict, difference = self.judge(rows[self.first], rows[self.second])
                cells[case] = f"{verdict}: {format_difference(difference)}"
        return cells


def format_difference(difference: Estimate) -> str:
    """Return a difference with its sign and interval, as text."""
    value, low, high = (
        f"{'+' if figure > 0 else ''}{format_number(figure)}" if np.isfinite(figure) else "?"
        for figure in (difference.value, difference.low, difference.high)
    )
    return f"{value} [{low}, {high}]"


NOTES = (
    (
        "a cell: the verdict, and by how much the first row named is above the second, mean over seeds and 95 % "
        "interval (Student's t of the differences by seed)"
    ),
    "agrees: the interval lies on the published side alone; disagrees: on the other alone; undecided: on both",
)
"""Notes below a table of findings."""
