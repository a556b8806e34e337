"""Make a voice of recordings, for --speaker of `vqspeech convert`."""

import argparse

from vqspeech.subcommands import add_subcommands, run_subcommand

MODULES, KINDS = "vqspeech.commands.voice_", ("make",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kinds."""
    add_subcommands(parser, MODULES, KINDS)


def run(args: argparse.Namespace) -> int:
    """Run one of them."""
    return run_subcommand(args, MODULES)
