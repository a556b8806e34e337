"""Make a study of the papers on quantisers: its runs, a table, the published findings beside ours, and a picture."""

import argparse

from vqspeech.kinds import add_kinds, run_kind
from vqspeech.locks import locked_folder

KINDS = ("toy", "beta", "speech", "images")
"""What can be studied; each is the module `vqspeech.commands.study_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-verb a kind."""
    add_kinds(parser, "vqspeech.commands.study_", KINDS)


def run(args: argparse.Namespace) -> int:
    """Runs the sub-verb; its exit status."""
    with locked_folder(args.out):
        return run_kind(args, "vqspeech.commands.study_")
