"""What a bit rate costs and buys: models of several code rates and codebook sizes side by side, from their scores."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech.metrics import scores

COLUMNS = {
    "bit rate (bit/s)": ("units", "bit rate (bit/s)", "value"),
    "step": ("training", "best checkpoint", "step"),
    "CER": ("conversion", "conversion", "CER"),
    "target is nearest": ("conversion", "conversion", "target is nearest"),
    "DNSMOS": ("conversion", "conversion", "DNSMOS"),
    "speaker told from codes": ("units: speakers", "codes", "speaker"),
    "phone told from codes": ("units: speakers", "codes", "phone"),
    "loss added by shuffled codes": ("training", "best checkpoint", "loss added by shuffled codes"),
}
"""Where each column stands in a scores file: section, row, column."""


def rows(experiments: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """One row an experiment folder with a scores.json, the fewest bits a second first.

    Raises `ScoresError` where one lacks a figure.
    """
    found = [_row(Path(folder)) for folder in experiments]
    return sorted(found, key=lambda row: row["bit rate (bit/s)"]["value"])


def _row(folder: Path) -> dict[str, Any]:
    sections = scores.read(folder / "scores.json")["sections"]
    rate, codes = (scores.cell(folder, sections, "units", row, "value")["value"] for row in ("rate (Hz)", "codes"))
    row = {"row": f"{rate:g} Hz, K = {codes:g}"}
    return row | {column: scores.cell(folder, sections, *place) for column, place in COLUMNS.items()}


def picture(found: Sequence[Mapping[str, Any]]):
    """A figure of `rows`: CER, and how well the speaker is told from the codes, against bits a second."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = ("CER", "speaker told from codes", "phone told from codes")
    for axes, column in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for row in found:
            x, y = row["bit rate (bit/s)"]["value"], row[column]
            low, high = (y["value"] if y.get(end) is None else y[end] for end in ("low", "high"))
            axes.errorbar(x, y["value"], [[y["value"] - low], [high - y["value"]]], marker="o", label=row["row"])
        axes.set(title=column, xlabel="bit/s", ylim=(0, None))
    axes.legend()
    return figure
