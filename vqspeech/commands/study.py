"""Run a study of quantisers from the papers: its runs, tables, the published claims and our verdicts, and pictures."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech.commands.arguments import add_json_argument, output_folder, positive_int
from vqspeech.commands.outputs import print_json
from vqspeech.extras import require_training_packages
from vqspeech.locks import lock_folder
from vqspeech.metrics.reports import markdown, scores
from vqspeech.subcommands import add_subcommands, run_subcommand

EXAMPLE = "vqspeech study toy --out exp/toy --seeds 5"
KINDS = ("toy", "beta", "speech", "images")
"""What can be studied; each is the module `vqspeech.commands.study_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb per kind."""
    add_subcommands(parser, "vqspeech.commands.study_", KINDS)


def run(args: argparse.Namespace) -> int:
    """Run the sub-verb and return its exit status."""
    require_training_packages()
    with lock_folder(args.out):
        return run_subcommand(args, "vqspeech.commands.study_")


def add_study_arguments(parser: argparse.ArgumentParser, steps: int, batch: int, items: str) -> None:
    """Add `--out`, `--seeds`, `--steps` and `--batch`, with the defaults of a study; a batch is of `items`."""
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder for runs, scores.json and pictures/"
    )
    add_json_argument(parser)
    for option, default, text in (
        ("--seeds", 5, "seeds of each setting"),
        ("--steps", steps, "training steps of a run"),
        ("--batch", batch, f"{items} per step"),
    ):
        parser.add_argument(
            option, type=positive_int, default=default, metavar="N", help=f"{text} (default: %(default)s)"
        )


class StudyTables:
    """The tables of a study in OUT/scores.json; `packages` are those whose versions are recorded."""

    def __init__(self, out: Path, *packages: str):
        self.path, self.packages = out / "scores.json", packages

    def add(self, section: str, rows: Sequence[Mapping[str, Any]], *notes: str) -> None:
        """Write a section, with notes below its table."""
        scores.add_rows(self.path, section, rows, notes=notes, seed=0, packages=self.packages)

    def print(self, as_json: bool) -> None:
        """Print all tables."""
        for name, section in scores.read(self.path)["sections"].items():
            if as_json:
                print_json({"section": name, "rows": section["rows"], "notes": section["notes"]})
            else:
                print(markdown.format_table(section["rows"]))
