"""Measure units or conversions; the figures go to a scores.json."""

import argparse

from vqspeech.subcommands import add_subcommands, run_subcommand

KINDS = ("alignment", "training", "units", "mapping", "conversion", "prior", "samples", "trade", "curve")
"""What can be scored; each is the module `vqspeech.commands.score_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-verb a kind."""
    add_subcommands(parser, "vqspeech.commands.score_", KINDS)


def run(args: argparse.Namespace) -> int:
    """Runs the sub-verb; its exit status."""
    return run_subcommand(args, "vqspeech.commands.score_")
