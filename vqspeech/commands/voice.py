"""Make a voice from recordings, for --speaker of `vqspeech convert`."""

import argparse

from vqspeech.subcommands import add_subcommands, run_subcommand

EXAMPLE = "vqspeech voice make --src recordings/ --name anna"

MODULES, KINDS = "vqspeech.commands.voice_", ("make",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb per kind."""
    add_subcommands(parser, MODULES, KINDS)


def run(args: argparse.Namespace) -> int:
    """Run the sub-verb and return its exit status."""
    return run_subcommand(args, MODULES)
