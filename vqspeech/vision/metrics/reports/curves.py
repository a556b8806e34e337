"""Training curves of models of images and of priors over their codes, as a figure of matplotlib."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from vqspeech.metrics.reports.curves import read_curves
from vqspeech.metrics.reports.style import house_style, make_lines_readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("bits", ("bits", "train_bits")),
    ("bits that shuffled codes cost", ("shuffle_gap",)),
    ("bits that other actions cost", ("action_gap",)),
    ("codes", ("perplexity", "used")),
)
"""Title and figures of each panel."""


@house_style()
def plot_curves(path: Path) -> "Figure":
    """Plot the figures of `PANELS` in `curves.jsonl` by step."""
    from matplotlib.figure import Figure

    lines = read_curves(path)
    panels = [(title, [name for name in names if name in lines[0]]) for title, names in PANELS]
    panels = [panel for panel in panels if panel[1]]
    figure = Figure(figsize=(4 * len(panels), 3.2), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            axes.plot([line["step"] for line in lines], [line.get(name, math.nan) for line in lines], label=name)
        axes.set(title=title, xlabel="step", ylabel=title.split()[0])
        make_lines_readable(axes)
    return figure
