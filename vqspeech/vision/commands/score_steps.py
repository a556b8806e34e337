"""The score that compares experiments at the same training steps, from their curves."""

import argparse
from collections.abc import Generator
from pathlib import Path

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.errors import ConfigError
from vqspeech.metrics.reports import scores
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.vision.commands.score_bits import BITS, LEARNED, describe_model, name_bound
from vqspeech.vision.models import Autoencoder

WHOLE = "test images"
"""Column of the figures of test images."""


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Collect bits a dimension at common steps, and of test images where they were scored."""
    curves = {Path(one): read_bits(Path(one) / "curves.jsonl") for one in args.experiments}
    common = sorted(set.intersection(*(set(one) for one in curves.values())))
    if not common:
        raise ConfigError("the experiments were measured at no step in common; train them with the same evaluate_every")
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
    yield Table(rows, notes)


def read_bits(path: Path) -> dict[int, float]:
    """Read held-out bits a dimension by step.

    Raises:
        ConfigError: There is no such file, or it has no bits.
    """
    found = {int(line["step"]): line["bits"] for line in read_curves(path) if "bits" in line}
    if not found:
        raise ConfigError(f"{path}: no curves of a model of images; name an experiment of one")
    return found


def read_test_bits(path: Path) -> list[dict]:
    """Read bits a dimension of test images in a scores.json, with the uniform and with a learned prior."""
    section = scores.read(path)["sections"].get("bits", {"rows": []}) if path.is_file() else {"rows": []}
    return [{WHOLE: row[BITS]} for row in section["rows"]]


SCORE = Score(
    "steps",
    "Compare experiments at the same training steps, by what was measured while they were trained.",
    measure,
    arguments=[argument("experiments", nargs="+", metavar="EXP", help="experiment folders with curves.jsonl")],
    example="vqspeech vision score steps exp/cifar10_vqvae exp/cifar10_vae --out exp/comparison/scores.json",
)
