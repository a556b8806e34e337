"""The score that sets models of several code rates and codebook sizes side by side."""

import argparse
from collections.abc import Generator
from pathlib import Path

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.metrics.reports.comparisons import describe_conversions, make_trade_rows
from vqspeech.metrics.reports.pictures import draw_trade


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Collect the figures of the experiments, the fewest bits a second first."""
    rows = make_trade_rows(args.experiments)
    notes = [
        (
            "every column as in the tables of the experiment: conversions of sources that no model has heard; speaker "
            "and phone told from the codes of held-out utterances of training speakers"
        ),
        f"experiments: {', '.join(Path(folder).name for folder in args.experiments)}",
        *describe_conversions(args.experiments),
    ]
    yield Table(rows, notes, figures={"trade": draw_trade(rows)})


SCORE = Score(
    "trade",
    "Set models of several code rates and codebook sizes side by side: bit rate, intelligibility, and what leaks.",
    measure,
    arguments=[argument("experiments", nargs="+", metavar="EXP", help="experiment folder with a scores.json")],
    example="vqspeech score trade exp/k512_100hz exp/k128_25hz --out exp/scores.json",
    print_notes=False,
)
