"""Measure models that translate; the figures go to a scores.json."""

import argparse

from vqspeech.commands.scoring import add_scores, find_score

EXAMPLE = "vqspeech text score translations exp/latent --data test.en test.de --out exp/scores.json"
SCORES = ("translations", "latents", "study")
"""The registry: each is the `SCORE` of the module `vqspeech.text.commands.score_NAME`."""
MODULES = "vqspeech.text.commands.score_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb for each score."""
    add_scores(parser, MODULES, SCORES)


def run(args: argparse.Namespace) -> int:
    """Run the score that was named; return its exit status."""
    return find_score(MODULES, args.kind).run(args)
