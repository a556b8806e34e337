"""Draw the floors of the library into docs/architecture.md from the imports in its source.

Usage: python tools/architecture.py [--check]

A room is a package, or a group of modules on the ground floor. Rooms stand in one order; a module may import only from
its own room and from rooms below it. `--check` writes nothing, and fails where an import runs up, where modules import
each other in a circle, or where the page is not the drawing of the imports. An import within a function counts as a way
from room to room, but closes no circle within a room; one for types alone (`if TYPE_CHECKING`) does not count.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by tools/architecture.py -->", "<!-- end of the drawing -->"

ROOMS = {
    "cli": "the command line: finds the verb and calls it",
    "text.commands": "one module a verb of `vqspeech text`",
    "vision.commands": "one module a verb of `vqspeech vision`",
    "commands": "one module a verb: options, calls, one line of result",
    "page": "the page in the browser",
    "stream": "live conversion, and the sound devices for it; recordings in one line; sampling of speech",
    "studies": "the papers' comparisons of quantisers",
    "vision.training": "trainings of images, video and priors over them",
    "vision.metrics.evaluations": "models and sets of images in, rows of figures out",
    "vision.metrics.reports": "training curves, sheets, animations",
    "vision.metrics.measures": "measures of images, codes and video: pure functions of arrays",
    "vision.models": "VAE, VQ-VAE, VIMCO, PixelCNN, priors over video",
    "vision.data": "sets of images, episodes, codes of images",
    "text.training": "trainings of models that translate",
    "text.metrics": "translations scored and timed, use of latents",
    "text.models": "Transformers: autoregressive, parallel, with latents",
    "text.data": "sentence pairs, vocabularies, batches",
    "training": "the trainer, and a task for each kind of model",
    "metrics.evaluations": "models and folders of speech in, rows of figures out",
    "metrics.reports": "scores files, tables, pictures, pages, model cards",
    "metrics.measures": "measures: pure functions of arrays",
    "metrics": "units aligned with phones; the interfaces of judges",
    "models": "front ends, encoders, `quantize/`, decoders, priors; checkpoints, voices, shipped models",
    "generate": "autoregressive sampling: one interface, several engines",
    "data": "data directories, `corpora/`, alignments, phones, dumps, units",
    "sound": "sound files, normalisation, pitch, WORLD frames",
    "ground": "errors, files, tars and URLs, locks, processes, configurations, devices",
}
"""From top to bottom. A package is in the room of its longest prefix, another module in its room of `MODULES`, or on
the ground."""

MODULES = {
    "cli": "cli", "stream": "stream", "microphone": "stream", "recordings": "stream",
    "sampling": "stream",
    "voices": "models", "pretrained": "models", "__init__": "cli",
    "audio": "sound", "soundfiles": "sound", "loudness": "sound", "pitch": "sound", "world": "sound",
}  # fmt: skip
"""Rooms of modules directly below `vqspeech` (`__init__` hands on `VQVAE` and others, as the command line does)."""


def name_module(path: Path, root: Path = ROOT) -> str:
    """Return the dotted name of a source file, a package's own being that of its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def read_imports(root: Path = ROOT, late: bool = True) -> dict[str, set[str]]:
    """Return the modules of `vqspeech` that each of them imports, by name; `late`: those imported in functions, too."""
    paths = {name_module(path, root): path for path in sorted((root / "vqspeech").rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        found[module] = set()
        for imported in _imported(ast.parse(path.read_text(encoding="utf-8")), late):
            name = imported
            while name and name not in paths:  # a function or class: the module that holds it
                name = name.rpartition(".")[0]
            if name and name != module:
                found[module].add(name)
    return found


def _imported(tree: ast.AST, late: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and not late:
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vqspeech":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "vqspeech")
        yield from _imported(node, late)


def find_room(module: str) -> str:
    """Return the room of a module."""
    inner = module.removeprefix("vqspeech.")
    first = inner.split(".")[0]
    if first in MODULES:
        return MODULES[first]
    fitting = [room for room in ROOMS if inner == room or inner.startswith(f"{room}.")]
    return max(fitting, key=len, default="ground")


def find_rising(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports (importer, imported) that run up to a higher room."""
    order = {room: place for place, room in enumerate(ROOMS)}
    return [
        (module, other)
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if order[find_room(other)] < order[find_room(module)]
    ]


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports in order, or none.

    A package that imports its own modules, and they it, is no circle here: Python enters the package first.
    """
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for other in sorted(imports[module]):
            if module.startswith(f"{other}."):
                continue
            circle = follow(other, [*path, module])
            if circle:
                return circle
        done.add(module)
        return []

    return next(filter(None, (follow(module, []) for module in sorted(imports))), [])


def find_arrows(imports: dict[str, set[str]]) -> dict[str, list[str]]:
    """Return the rooms from top to bottom, each with those it builds on.

    An arrow that follows from others (commands → training → models) is left out.
    """
    arrows = {(find_room(module), find_room(other)) for module, others in imports.items() for other in others}
    below = {room: {end for start, end in arrows if start == room and end != room} for room in ROOMS}
    drawn = [room for room in ROOMS if below[room] or any(room in ends for ends in below.values())]
    direct: dict[str, list[str]] = {}
    for room in drawn:
        indirect = {deep for one in below[room] for deep in _reach(one, below)}
        direct[room] = [end for end in ROOMS if end in below[room] - indirect]
    return direct


def draw(imports: dict[str, set[str]]) -> str:
    """Return the drawing in Mermaid."""
    rooms = find_arrows(imports)
    lines = ["```mermaid", "flowchart TD"]
    lines += [
        f'    {_identify(room)}["<b>{room.replace(".", "/")}</b><br/>{ROOMS[room].replace("`", "")}"]' for room in rooms
    ]
    lines += [f"    {_identify(room)} --> {_identify(end)}" for room, ends in rooms.items() for end in ends]
    return "\n".join([*lines, "```"])


def _identify(room: str) -> str:
    return room.replace(".", "_")


def _reach(room: str, below: dict[str, set[str]], seen: Iterable[str] = ()) -> set[str]:
    found: set[str] = set()
    for end in below[room] - set(seen):
        found |= {end} | _reach(end, below, {*seen, room})
    return found


def tabulate(imports: dict[str, set[str]]) -> str:
    """Return a table of the rooms, top to bottom."""
    used = {find_room(module) for module in imports}
    rows = [f"| `{room.replace('.', '/')}` | {what} |" for room, what in ROOMS.items() if room in used]
    return "\n".join(["| room | what is in it |", "|---|---|", *rows])


def fill_page(text: str, imports: dict[str, set[str]]) -> str:
    """Return the page with its drawing and its table made anew."""
    head, _, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        sys.exit(f"{PAGE}: lacks the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{draw(imports)}\n\n{tabulate(imports)}\n\n{END}{tail}"


def main() -> int:
    """Write or check the page; return the exit status."""
    imports = read_imports()
    faults = [f"{module} imports {other}, which is above it" for module, other in find_rising(imports)]
    circle = find_circle(read_imports(late=False))
    if circle:
        faults.append("a circle of imports: " + " → ".join([*circle, circle[0]]))
    text = PAGE.read_text(encoding="utf-8")
    page = fill_page(text, imports)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    elif page != text:
        faults.append("docs/architecture.md is out of date: python tools/architecture.py")
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
