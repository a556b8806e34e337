"""Measure units or conversions; the figures go to a scores.json."""

import argparse

from vqspeech.commands.scoring import add_scores, find_score

EXAMPLE = "vqspeech score units --units exp/units/test.txt --data data/test --out exp/scores.json"
SCORES = ("alignment", "training", "units", "mapping", "conversion", "prior", "samples", "trade", "curve")
"""The registry: each is the `SCORE` of the module `vqspeech.commands.score_NAME`."""
MODULES = "vqspeech.commands.score_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb for each score."""
    add_scores(parser, MODULES, SCORES)


def run(args: argparse.Namespace) -> int:
    """Run the score that was named; return its exit status."""
    return find_score(MODULES, args.kind).run(args)
