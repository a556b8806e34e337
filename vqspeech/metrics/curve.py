"""What training buys a decoder that draws samples: its scores against the samples that it has seen, from the scores of
the models that were kept on the way."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.metrics import scores

SEEN, NLL, SHUFFLED = "samples seen", "held-out nats a sample", "loss added by shuffled codes"
SPOKEN = ("CER", "WER", "DNSMOS", "target is nearest")
RECORDINGS, KEPT = "recordings", "after {:,.0f} samples"


def rows(kept: Sequence[str | os.PathLike], beside: Mapping[str, str | os.PathLike]) -> list[dict[str, Any]]:
    """The recordings, the conversions of the models `beside` by their names, and those of the models `kept` on the way,
    the least trained first; each is a folder with a scores.json.

    Raises `ScoresError` where one lacks a figure, or has converted other utterances.
    """
    folders = [Path(folder) for folder in kept]
    sections = {folder: scores.read(folder / "scores.json")["sections"] for folder in folders}
    seen = {
        folder: scores.cell(folder, found, "training", "best checkpoint", "hours of speech seen")["value"]
        for folder, found in sections.items()
    }
    folders.sort(key=lambda folder: seen[folder])
    first = folders[0]
    heard = _utterances(first, sections[first])
    found = [{"row": RECORDINGS, **_spoken(first, sections[first], RECORDINGS)}]
    for name, folder in beside.items():
        others = scores.read(Path(folder) / "scores.json")["sections"]
        _require_same(Path(folder), _utterances(Path(folder), others), heard)
        found.append({"row": name, **_spoken(Path(folder), others, "conversion")})
    for folder in folders:
        _require_same(folder, _utterances(folder, sections[folder]), heard)
        samples = round(seen[folder] * 3600 * audio.RATE)
        training = {
            column: scores.cell(folder, sections[folder], "training", "best checkpoint", key)
            for column, key in ((NLL, "nll"), (SHUFFLED, SHUFFLED))
        }
        name = {"row": KEPT.format(samples), SEEN: samples}
        found.append(name | training | _spoken(folder, sections[folder], "conversion"))
    return found


def picture(found: Sequence[Mapping[str, Any]]):
    """A figure of `rows`: CER and DNSMOS of the conversions against the samples seen, on a logarithmic axis, between
    those of the others."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    learned = [row for row in found if SEEN in row]
    for axes, column in zip(figure.subplots(1, 2), ("CER", "DNSMOS"), strict=True):
        cells = [row[column] for row in learned]
        spans = [[abs(one["value"] - _end(one, end)) for one in cells] for end in ("low", "high")]
        seen = [row[SEEN] for row in learned]
        axes.errorbar(seen, [one["value"] for one in cells], spans, marker="o", capsize=3, label="this model")
        for row, style in zip((row for row in found if SEEN not in row), ("--", ":", "-."), strict=False):
            axes.axhline(row[column]["value"], color="black", linestyle=style, label=row["row"])
        axes.set(title=f"{column} of conversions", xlabel="samples seen", xscale="log")
        axes.legend()
    return figure


def _end(cell: Mapping[str, Any], end: str) -> float:
    return cell["value"] if cell.get(end) is None else cell[end]


def _spoken(folder: Path, sections: Mapping[str, Any], row: str) -> dict[str, Any]:
    columns = [column for column in SPOKEN if row != RECORDINGS or column != SPOKEN[-1]]
    return {column: scores.cell(folder, sections, "conversion", row, column) for column in columns}


def _utterances(folder: Path, sections: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The conversions that were judged, by utterance and voice."""
    details = sections.get("conversion", {}).get("details", [])
    return {(one.get("utterance"), one.get("target")) for one in details if one.get("row") == "conversion"}


def _require_same(folder: Path, found: set[tuple[str, str]], heard: set[tuple[str, str]]) -> None:
    if found != heard:
        raise scores.ScoresError(
            f"{folder}: {len(found)} conversions were scored, of which {len(found & heard)} are among the {len(heard)} "
            "of the first model; convert the same utterances to the same voices with all of them"
        )
