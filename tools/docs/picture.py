"""The drawing of the architecture as SVG in the page, which needs no script to be shown."""

import sys
import textwrap
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from architecture import ROOMS, find_arrows, read_imports

_WIDTH, _HEIGHT, _COLUMN, _ROW = 250, 78, 272, 116
"""Size of a box and distance of boxes, in pixels."""
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>'
)


def draw() -> str:
    """Return the rooms as boxes, each above those it builds on, with arrows to them; for narrow screens, as a list."""
    rooms = find_arrows(read_imports())
    levels = _find_levels(rooms)
    rows: dict[int, list[str]] = {}
    for room in rooms:
        rows.setdefault(levels[room], []).append(room)
    columns = max(map(len, rows.values()))
    width, height = columns * _COLUMN, len(rows) * _ROW
    centres = {
        room: ((place + 0.5) * width / len(row), (level + 0.5) * _ROW)
        for level, row in rows.items()
        for place, room in enumerate(_order(row, rooms, rows, level))
    }
    parts = [
        f'<svg class="rooms" viewBox="0 0 {width} {height}" role="img" aria-label="The rooms of the library">',
        _TIP,
    ]
    for room, ends in rooms.items():
        for end in ends:
            (x, y), (x2, y2) = centres[room], centres[end]
            y, y2 = y + _HEIGHT / 2, y2 - _HEIGHT / 2
            bend = (y2 - y) / 2
            path = f"M{x:.0f} {y:.0f} C{x:.0f} {y + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
            parts.append(f'<path d="{path}" fill="none" stroke="currentColor" opacity=".45" marker-end="url(#tip)"/>')
    for room, (x, y) in centres.items():
        parts.append(
            f'<rect x="{x - _WIDTH / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
            f'<text x="{x:.0f}" y="{y - 18:.0f}" class="name">{room.replace(".", "/")}</text>'
        )
        for i, line in enumerate(textwrap.wrap(ROOMS[room].replace("`", ""), 40)):
            parts.append(f'<text x="{x:.0f}" y="{y + 15 * i:.0f}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>", '<ul class="rooms">', *map(_describe_room, rooms.items()), "</ul>"])


def _describe_room(room: tuple[str, list[str]]) -> str:
    name, below = (part.replace(".", "/") for part in (room[0], ", ".join(room[1])))
    return f"<li><b>{name}</b>{below and ' builds on '}{below}</li>"


def _find_levels(rooms: dict[str, list[str]]) -> dict[str, int]:
    """Return how far below the top each room is, the longest way: rooms are listed from top to bottom."""
    levels = dict.fromkeys(rooms, 0)
    for room, ends in rooms.items():
        for end in ends:
            levels[end] = max(levels[end], levels[room] + 1)
    return levels


def _order(row: list[str], rooms: dict[str, list[str]], rows: dict[int, list[str]], level: int) -> list[str]:
    """Return the rooms of a row with those on one side that the other side of the row above leads to."""
    above = rows.get(level - 1, [])
    places = {room: [i for i, one in enumerate(above) if room in rooms[one]] for room in row}
    return sorted(row, key=lambda room: sum(places[room]) / len(places[room]) if places[room] else len(above))
