"""Set models of several code rates and codebook sizes side by side: bit rate, intelligibility, and what leaks."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import scores_file
from vqspeech.metrics import pictures, report, scores, trade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score trade`."""
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="experiment folder with a scores.json")
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "trade" and its picture, prints the table."""
    found = trade.rows(args.experiments)
    pictures.save(trade.picture(found), Path(args.out).parent / "pictures" / "trade.png")
    notes = [
        "every column as in the tables of the experiment: conversions of sources that no model has heard; speaker and "
        "phone told from the codes of held-out utterances of training speakers",
        f"experiments: {', '.join(Path(folder).name for folder in args.experiments)}",
    ]
    scores.add_rows(args.out, "trade", found, notes=notes)
    print(report.table(scores.read(args.out)["sections"]["trade"]["rows"]))
    return 0
