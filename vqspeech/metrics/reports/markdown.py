"""Tables of scores, and how they were measured, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table of rows as in scores.json, see `format_cells`."""
    lines = [[_escaped(text) for text in line] for line in format_cells(rows)]
    lines.insert(1, ["---"] + ["---:"] * (len(lines[0]) - 1))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def format_cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the head and the rows of a table as text: name, n where all cells of the row share it, columns."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "row"))
    lines = [["", "n", *columns]]
    for row in rows:
        counts = {cell["n"] for cell in row.values() if isinstance(cell, Mapping) and cell.get("n") is not None}
        shared = counts.pop() if len(counts) == 1 else None
        texts = [_cell(row.get(column), shared is None) for column in columns]
        lines.append([str(row.get("row", "")), "" if shared is None else str(shared), *texts])
    if not any(line[1] for line in lines[1:]):
        lines = [[line[0], *line[2:]] for line in lines]
    return lines


def format_number(value: float) -> str:
    """Return a number with three significant digits, never in exponents between 0.001 and a million."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}" if abs(value) >= 1e-3 else f"{value:.2g}"


def _cell(cell: Any, with_n: bool) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Mapping):
        if cell.get("value") is None:
            return ""
        text = format_number(cell["value"])
        if cell.get("low") is not None and cell.get("high") is not None:
            text += f" [{format_number(cell['low'])}, {format_number(cell['high'])}]"
        return text + (f" (n={cell['n']})" if with_n and cell.get("n") is not None else "")
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return format_number(cell)
    return str(cell)


def format_provenance(section: Mapping[str, Any]) -> list[str]:
    """Return how a section was measured, as lines of a Markdown list: notes, command, commit, seed, versions."""
    lines = [f"- {note}" for note in section.get("notes", ())]
    versions = ", ".join(f"{name} {version}" for name, version in section.get("versions", {}).items())
    seed = section.get("seed")
    lines.append(f"- command: `{section.get('command', 'unknown')}`")
    lines.append(
        f"- git {section.get('git', 'unknown')}, seed {'none' if seed is None else seed}, "
        f"{section.get('time', 'time unknown')}; {versions}"
    )
    return lines


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
