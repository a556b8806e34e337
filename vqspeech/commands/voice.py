"""Make a voice of recordings, for --speaker of `vqspeech convert`."""

import argparse

from vqspeech.kinds import add_kinds, run_kind

MODULES, KINDS = "vqspeech.commands.voice_", ("make",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kinds."""
    add_kinds(parser, MODULES, KINDS)


def run(args: argparse.Namespace) -> int:
    """Run one of them."""
    return run_kind(args, MODULES)
