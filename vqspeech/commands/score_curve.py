"""Set the models that were kept while one was trained side by side: what a sample more of training buys.

A kept model (`training.keep_from`) is a folder, as an experiment is: its conversions and its training are scored as
those of any other, and this reads the scores.
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import scores_file
from vqspeech.metrics import curve, pictures, report, scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score curve`."""
    parser.add_argument("kept", nargs="+", metavar="EXP", help="folder of a kept model, with a scores.json")
    parser.add_argument(
        "--beside", nargs="+", default=[], type=_named, metavar="NAME=EXP", help="other models, to compare with"
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "curve" and its picture, prints the table."""
    found = curve.rows(args.kept, dict(args.beside))
    pictures.save(curve.picture(found), Path(args.out).parent / "pictures" / "curve.png")
    last = scores.read(Path(args.kept[-1]) / "scores.json")["sections"]
    notes = [
        "conversions of the same sentences to the same voices by every model; n, intervals and columns are those of "
        "their tables",
        *last["conversion"]["notes"],
        *last["training"]["notes"],
    ]
    scores.add_rows(args.out, "curve", found, notes=notes, seed=last["training"]["seed"])
    print(report.table(scores.read(args.out)["sections"]["curve"]["rows"]))
    return 0


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=EXP")
    return name, folder
