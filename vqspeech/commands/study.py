"""Make a study of the papers on quantisers: its runs, a table, the published findings beside ours, and a picture."""

import argparse
from importlib import import_module

KINDS = ("toy", "beta", "speech", "images")
"""What can be studied; each is the module `vqspeech.commands.study_KIND`, made like that of a verb."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-verb a kind."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="{" + ",".join(KINDS) + "}")
    for kind in KINDS:
        module = import_module(f"vqspeech.commands.study_{kind}")
        help_text = (module.__doc__ or "").strip().splitlines()[0]
        module.add_arguments(kinds.add_parser(kind, help=help_text, description=module.__doc__))


def run(args: argparse.Namespace) -> int:
    """Runs the sub-verb; its exit status."""
    return import_module(f"vqspeech.commands.study_{args.kind}").run(args)
