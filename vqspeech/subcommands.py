"""Verbs that come in several kinds, each a module of its own, made like that of a verb."""

import argparse
from collections.abc import Sequence
from importlib import import_module


def add_subcommands(parser: argparse.ArgumentParser, modules: str, kinds: Sequence[str]) -> None:
    """Adds one sub-verb a kind; `modules` is what their names have before the kind."""
    subparsers = parser.add_subparsers(dest="kind", required=True, metavar="{" + ",".join(kinds) + "}")
    for kind in kinds:
        module = import_module(modules + kind)
        help_text = (module.__doc__ or "").strip().splitlines()[0]
        module.add_arguments(subparsers.add_parser(kind, help=help_text, description=module.__doc__))


def run_subcommand(args: argparse.Namespace, modules: str) -> int:
    """Runs the sub-verb; its exit status."""
    return import_module(modules + args.kind).run(args)
