"""A page for each verb of the command line, from its parser."""

import argparse
import os
import re
from collections.abc import Iterator

from vqspeech.cli import PARTS, VERBS, make_parser


def make_pages() -> dict[str, str]:
    """Return the pages by their path in the site."""
    os.environ["COLUMNS"] = "84"  # width of the usage
    pages = {f"reference/verbs/{verb}.md": _make_page([verb]) for verb in VERBS if verb not in PARTS}
    return pages | {
        f"reference/verbs/{part}/{verb}.md": _make_page([part, verb])
        for part, (_, _, verbs) in PARTS.items()
        for verb in verbs
    }


def find_kinds(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the sub-verbs of a parser by name."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    return dict(found[0].choices) if found else {}


def _make_page(words: list[str]) -> str:
    parser = find_kinds(make_parser(words))[words[-1]]
    lines = [f"# {words[-1]}", "", *_describe(parser, 2)]
    return "\n".join(lines) + "\n"


def _describe(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """Yield the lines of a page about a verb and its sub-verbs, whose headings are of a level."""
    yield from (_format_description(parser.description or ""), "")
    kinds = find_kinds(parser)
    if not kinds:
        yield from ("```text", parser.format_usage().removeprefix("usage: ").rstrip(), "```", "")
    if parser.epilog:
        yield from ("Example:", "", "```text", parser.epilog.removeprefix("Example: "), "```", "")
    for title, wanted in (("argument", False), ("option", True)):
        rows = [
            f"| {_name(action)} | {_cell(parser._get_formatter()._expand_help(action))} |"  # noqa: SLF001
            for action in parser._actions  # noqa: SLF001
            if bool(action.option_strings) == wanted and action.help not in (None, argparse.SUPPRESS)
        ]
        if rows and not (kinds and wanted):
            yield from (f"| {title} | |", "|---|---|", *rows, "")
    for name, kind in kinds.items():
        yield from (f"{'#' * level} {name}", "", *_describe(kind, level + 1))


def _format_description(text: str) -> str:
    """Return a description in Markdown; its columns (`  name: meaning`) as a table."""
    lines: list[str] = []
    for line in text.splitlines():
        column = re.fullmatch(r"  (.+?): (.+)", line)
        if column and not (lines and lines[-1].startswith("|")):
            lines += ["", "| column | |", "|---|---|"]
        lines.append(f"| {_cell(column[1])} | {_cell(column[2])} |" if column else _escape(line))
    return "\n".join(line for line in lines if line != "columns:")


def _name(action: argparse.Action) -> str:
    metavar = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    metavar = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    if not action.option_strings:
        return f"`{metavar}`"
    value = "" if action.nargs == 0 else f" {metavar}"
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _cell(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", _escape(" ".join(text.split())))
    return "".join(part if i % 2 else part.replace("|", "\\|") for i, part in enumerate(parts))


def _escape(text: str) -> str:
    """Return text whose `<` and `*` are not taken for Markdown outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if i % 2 else part.replace("<", "&lt;").replace("*", "\\*") for i, part in enumerate(parts))
