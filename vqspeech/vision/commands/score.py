"""Measure models of images; the figures go to a scores.json."""

import argparse

from vqspeech.subcommands import add_subcommands, run_subcommand

KINDS = ("bits", "steps", "reconstructions", "approximation", "prior", "top", "samples", "video")
"""What can be scored; each is the module `vqspeech.vision.commands.score_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-verb a kind."""
    add_subcommands(parser, "vqspeech.vision.commands.score_", KINDS)


def run(args: argparse.Namespace) -> int:
    """Runs the sub-verb; its exit status."""
    return run_subcommand(args, "vqspeech.vision.commands.score_")
