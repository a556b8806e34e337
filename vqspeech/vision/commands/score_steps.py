"""Hold experiments against each other at the same steps of training, from what was measured while they trained."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import scores_file
from vqspeech.errors import ConfigError
from vqspeech.metrics.reports import markdown, scores
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.vision.commands.score_bits import BITS, LEARNED, describe_model, name_bound
from vqspeech.vision.models import Autoencoder

EXAMPLE = "vqspeech vision score steps exp/vqvae exp/vae --out exp/scores.json"

WHOLE = "test images"
"""Column of the figures that were scored at the end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech vision score steps`."""
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="experiment folders with curves.jsonl")
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "steps": bits a dimension at some steps that all have reached, and of test images where those
    have been scored."""
    curves = {Path(one): read_bits(Path(one) / "curves.jsonl") for one in args.experiments}
    common = sorted(set.intersection(*(set(one) for one in curves.values())))
    if not common:
        raise ConfigError("the experiments were measured at no step in common; train them with one evaluate_every")
    picked = common if len(common) <= 5 else [common[round(i * (len(common) - 1) / 4)] for i in range(5)]
    rows: list[dict] = []
    notes = [
        "bits/dimension, at most, of the held-out images that each was watched on; the same images and batches",
        "the models were not tuned alike, so that their order is no finding",
    ]
    for folder, curve in curves.items():
        first, *learned = read_test_bits(folder / "scores.json") or [{}]
        rows.append({"row": folder.name, **{f"step {step}": curve[step] for step in picked}} | first)
        rows += [{"row": f"{folder.name}, {LEARNED} prior"} | one for one in learned]
        model = Autoencoder.from_pretrained(folder)
        notes.append(f"{folder.name}: {name_bound(model)}; {'; '.join(describe_model(model))}")
    if any(WHOLE in row for row in rows):
        notes.append(f"{WHOLE}, whose number n is: as in the table 'bits' of each")
    scores.add_rows(args.out, "steps", rows, notes=notes)
    print(markdown.format_table(rows), *notes, sep="\n")
    return 0


def read_bits(path: Path) -> dict[int, float]:
    """Held-out bits a dimension by step. Raises `ConfigError` where there is no such file, or it lacks them."""
    found = {int(line["step"]): line["bits"] for line in read_curves(path) if "bits" in line}
    if not found:
        raise ConfigError(f"{path}: no curves of a model of images; name an experiment of one")
    return found


def read_test_bits(path: Path) -> list[dict]:
    """Bits a dimension of test images in a scores.json, {`WHOLE`: estimate}: of the model, then with a learned prior,
    where these have been scored."""
    section = scores.read(path)["sections"].get("bits", {"rows": []}) if path.is_file() else {"rows": []}
    return [{WHOLE: row[BITS]} for row in section["rows"]]
