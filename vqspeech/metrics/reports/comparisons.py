"""Compare models by their scores files: by bit rate, and by how long they were trained."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.metrics.reports import scores

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


def make_trade_rows(experiments: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """Return a row per experiment folder with a scores.json, the fewest bits per second first.

    Raises:
        ScoresError: One lacks a figure.
    """
    found = [_row(Path(folder)) for folder in experiments]
    return sorted(found, key=lambda row: row["bit rate (bit/s)"]["value"])


def _row(folder: Path) -> dict[str, Any]:
    sections = scores.read(folder / "scores.json")["sections"]
    rate, codes = (scores.find_cell(folder, sections, "units", row, "value")["value"] for row in ("rate (Hz)", "codes"))
    row = {"row": f"{rate:g} Hz, K = {codes:g}"}
    return row | {column: scores.find_cell(folder, sections, *place) for column, place in COLUMNS.items()}


def describe_conversions(experiments: Sequence[str | os.PathLike]) -> list[str]:
    """Return what the conversions of experiments were of, and what their intervals redraw, once where they agree."""
    read = (scores.read(Path(folder) / "scores.json")["sections"] for folder in experiments)
    return list(dict.fromkeys(note for sections in read for note in sections["conversion"].get("notes", [])[:1]))


SAMPLES_SEEN, NLL, SHUFFLED = "samples seen", "held-out nats a sample", "loss added by shuffled codes"
SPOKEN = ("CER", "WER", "DNSMOS", "target is nearest")
RECORDINGS, KEPT = "recordings", "after {:,.0f} samples"


def make_curve_rows(kept: Sequence[str | os.PathLike], beside: Mapping[str, str | os.PathLike]) -> list[dict[str, Any]]:
    """Return rows of the recordings, of other models, and of the models kept while one was trained.

    Args:
        kept: Folders of the kept models, each with a scores.json; the rows are in order of their training.
        beside: Folders of other models by name.

    Raises:
        ScoresError: One lacks a figure, or has converted other utterances.
    """
    folders = [Path(folder) for folder in kept]
    sections = {folder: scores.read(folder / "scores.json")["sections"] for folder in folders}
    seen = {
        folder: scores.find_cell(folder, found, "training", "best checkpoint", "hours of speech seen")["value"]
        for folder, found in sections.items()
    }
    folders.sort(key=lambda folder: seen[folder])
    first = folders[0]
    heard = _utterances(sections[first])
    found = [{"row": RECORDINGS, **_spoken(first, sections[first], RECORDINGS)}]
    for name, folder in beside.items():
        others = scores.read(Path(folder) / "scores.json")["sections"]
        _require_same(Path(folder), _utterances(others), heard)
        found.append({"row": name, **_spoken(Path(folder), others, "conversion")})
    for folder in folders:
        _require_same(folder, _utterances(sections[folder]), heard)
        samples = round(seen[folder] * 3600 * audio.RATE)
        training = {
            column: scores.find_cell(folder, sections[folder], "training", "best checkpoint", key)
            for column, key in ((NLL, "nll"), (SHUFFLED, SHUFFLED))
        }
        name = {"row": KEPT.format(samples), SAMPLES_SEEN: samples}
        found.append(name | training | _spoken(folder, sections[folder], "conversion"))
    return found


def _spoken(folder: Path, sections: Mapping[str, Any], row: str) -> dict[str, Any]:
    columns = [column for column in SPOKEN if row != RECORDINGS or column != SPOKEN[-1]]
    return {column: scores.find_cell(folder, sections, "conversion", row, column) for column in columns}


def _utterances(sections: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the conversions that were judged, by utterance and voice."""
    details = sections.get("conversion", {}).get("details", [])
    return {(one.get("utterance"), one.get("target")) for one in details if one.get("row") == "conversion"}


def _require_same(folder: Path, found: set[tuple[str, str]], heard: set[tuple[str, str]]) -> None:
    if found != heard:
        raise scores.ScoresError(
            f"{folder}: {len(found)} conversions were scored, of which {len(found & heard)} are among the {len(heard)} "
            "of the first model; convert the same utterances to the same voices with all of them"
        )
