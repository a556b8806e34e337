"""The score that sets the models kept during one training side by side."""

import argparse
from collections.abc import Generator
from pathlib import Path

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.metrics.reports import scores
from vqspeech.metrics.reports.comparisons import make_curve_rows
from vqspeech.metrics.reports.pictures import draw_training_curve


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Collect the figures of the kept models, the least trained first, and of those to compare with."""
    rows = make_curve_rows(args.kept, dict(args.beside))
    last = scores.read(Path(args.kept[-1]) / "scores.json")["sections"]
    notes = [
        (
            "conversions of the same sentences to the same voices by every model; n, intervals and columns are those "
            "of their tables"
        ),
        *last["conversion"]["notes"],
        *last["training"]["notes"],
    ]
    yield Table(rows, notes, seed=last["training"]["seed"], figures={"curve": draw_training_curve(rows)})


def _named_folder(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=EXP")
    return name, folder


SCORE = Score(
    "curve",
    "Set the models that were kept while one was trained side by side: what a sample more of training buys.",
    measure,
    about="A kept model (`training.keep_from`) is a folder, as an experiment is: its conversions and its training are "
    "scored as those of any other, and this reads the scores.",
    arguments=[
        argument("kept", nargs="+", metavar="EXP", help="folder of a kept model, with a scores.json"),
        argument(
            "--beside",
            nargs="+",
            default=[],
            type=_named_folder,
            metavar="NAME=EXP",
            help="other models, to compare with",
        ),
    ],
    example="vqspeech score curve exp/wavenet/kept/* --beside fast=exp/world --out exp/wavenet/scores.json",
    print_notes=False,
)
