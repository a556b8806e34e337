"""RESULTS.md from the scores of experiments."""

import argparse
import shutil
import sys
from pathlib import Path

from vqspeech.commands.outputs import output_file
from vqspeech.files import replaced, write_text
from vqspeech.metrics import report, scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech results`."""
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="experiment folder with a scores.json")
    parser.add_argument(
        "--out",
        type=output_file,
        default="RESULTS.md",
        metavar="FILE",
        help="Markdown file to write (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the file; experiments without scores are named and left out, and at least one must have some."""
    scored = [folder for folder in args.experiments if (Path(folder) / "scores.json").is_file()]
    for folder in args.experiments:
        if folder not in scored:
            print(f"{folder}: has no scores.json, left out; make it with: vqspeech score", file=sys.stderr)
    if not scored:
        raise scores.ScoresError(
            "no experiment has scores; make them with: vqspeech score units, vqspeech score conversion"
        )
    for experiment in scored:
        for path, copy in report.pictures(experiment).items():
            with replaced(Path(args.out).parent / copy) as temporary:
                shutil.copyfile(path, temporary)
    write_text(args.out, report.results(scored))
    print(args.out)
    return 0
