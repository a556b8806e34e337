"""Measure models of images; the figures go to a scores.json."""

import argparse

from vqspeech.commands.scoring import add_scores, find_score

EXAMPLE = "vqspeech vision score bits exp/cifar10_vqvae --data data/test --out exp/cifar10_vqvae/scores.json"
SCORES = ("bits", "steps", "reconstructions", "approximation", "prior", "top", "samples", "video")
"""The registry: each is the `SCORE` of the module `vqspeech.vision.commands.score_NAME`."""
MODULES = "vqspeech.vision.commands.score_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb for each score."""
    add_scores(parser, MODULES, SCORES)


def run(args: argparse.Namespace) -> int:
    """Run the score that was named; return its exit status."""
    return find_score(MODULES, args.kind).run(args)
