"""Measure units or conversions; the figures go to a scores.json."""

import argparse
from importlib import import_module

KINDS = ("alignment", "training", "units", "mapping", "conversion", "prior", "samples", "trade", "curve")
"""What can be scored; each is the module `vqspeech.commands.score_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-verb a kind."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="{" + ",".join(KINDS) + "}")
    for kind in KINDS:
        module = import_module(f"vqspeech.commands.score_{kind}")
        help_text = (module.__doc__ or "").strip().splitlines()[0]
        module.add_arguments(kinds.add_parser(kind, help=help_text, description=module.__doc__))


def run(args: argparse.Namespace) -> int:
    """Runs the sub-verb; its exit status."""
    return import_module(f"vqspeech.commands.score_{args.kind}").run(args)
