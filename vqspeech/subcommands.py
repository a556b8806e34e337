"""Verbs that have sub-verbs, each a module with `add_arguments` and `run` like that of a verb."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any


def describe_command(module: ModuleType) -> dict[str, Any]:
    """Return the options of `add_parser` for the module of a verb: its help, and its `EXAMPLE` below the options."""
    text = (module.__doc__ or "").strip()
    example = getattr(module, "EXAMPLE", "")
    return {
        "help": text.partition("\n")[0],
        "description": text,
        "epilog": example and f"Example: {example}",
    }


def add_subcommands(parser: argparse.ArgumentParser, modules: str, kinds: Sequence[str]) -> None:
    """Add the sub-verbs of a verb.

    Args:
        parser: Parser of the verb.
        modules: Prefix of the names of their modules.
        kinds: The sub-verbs.
    """
    subparsers = parser.add_subparsers(dest="kind", required=True, metavar="{" + ",".join(kinds) + "}")
    for kind in kinds:
        module = import_module(modules + kind)
        module.add_arguments(subparsers.add_parser(kind, **describe_command(module)))


def find_subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the sub-verbs of a parser by name, as the dictionary that it looks them up in."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 -- argparse has no other way to them
    return found[0].choices if found else {}


def list_leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return the parsers of all sub-verbs of a parser; where it has none, itself."""
    below = find_subparsers(parser).values()
    return [leaf for one in below for leaf in list_leaves(one)] if below else [parser]


def run_subcommand(args: argparse.Namespace, modules: str) -> int:
    """Run the sub-verb and return its exit status."""
    return import_module(modules + args.kind).run(args)
