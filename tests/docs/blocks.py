"""Code blocks of the documentation, and how a test runs them.

A page is run from top to bottom in one folder. `console` blocks have commands after `$ ` and, where it is shown, what
they print; `…` in it stands for anything. `python` blocks of a page share their names. A block below a comment
`<!-- not run: REASON -->` is not run; REASONS lists the reasons there may be. Commands below `<!-- fails -->` fail.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from tests.models.live.small import live_model
from tests.models.recorded import vowels
from vqspeech import audio
from vqspeech.cli import main

ROOT = Path(__file__).resolve().parents[2]
REASONS = (
    "needs a corpus",
    "needs a GPU",
    "needs a microphone",
    "needs the network",
    "takes minutes",
    "installs packages",
    "serves until it is stopped",
)
RUN = ("console", "python")
SHOWN = ("text", "yaml", "mermaid", "json")
"""Languages of blocks that are run, and of those that only show something."""


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        line: Its line in the page.
        language: The word after the fence.
        text: What is in it.
        note: The comment above it: why it is not run, or that it fails; empty where there is none.
    """

    line: int
    language: str
    text: str
    note: str


class Command(NamedTuple):
    """A command of a `console` block, and what is shown of its output."""

    line: str
    output: str


def list_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    pattern = r"(?:<!-- (not run: [^>]+?|fails) -->\n+)?^( *)```(\w*)[^\n]*\n(.*?)^\2```$"
    found = []
    for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        inner = re.sub(f"^{match[2]}", "", match[4], flags=re.MULTILINE)
        found.append(Block(text[: match.start(3)].count("\n") + 1, match[3], inner, match[1] or ""))
    return found


def list_commands(text: str) -> list[Command]:
    """Return the commands of a `console` block."""
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL).groups()  # pyright: ignore
        found.append(Command(line.replace("\\\n", " "), output.rstrip("\n")))
    return found


def matches(shown: str, printed: str) -> bool:
    """Return whether the output shown in a page is that of the command; `…` stands for anything."""
    parts = [re.escape(" ".join(part.split())) for part in shown.split("…")]
    return re.fullmatch(r"\s?.*?\s?".join(parts), " ".join(printed.split())) is not None


def run_command(line: str, read: Callable[[], str]) -> tuple[int, str]:
    """Run a command and return its exit status and what it printed.

    `vqspeech …` alone is run in this process, which has imported everything; other lines by bash.

    Args:
        line: The command.
        read: Returns what was printed in this process since the last call.
    """
    words = shlex.split(line, comments=True)
    if words[0] == "vqspeech" and not set("|<>&;`$") & set(line):
        read()
        try:
            status = main(words[1:])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        return status, read()
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def make_scene(folder: Path) -> None:
    """Write what the pages speak of: recordings of invented voices, a corpus with its phone times, a live model."""

    def record(name: str, hertz: float, seconds: float, formant: float) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, vowels(hertz, seconds, formant), audio.RATE)

    record("a.wav", 110, 3, 500)
    record("b.wav", 210, 11, 650)
    for name in ("monday", "tuesday"):
        record(f"talks/{name}.wav", 130, 1.5, 550)
    for i in range(3):
        record(f"my_recordings/{i}.wav", 180, 4, 600)
    for speaker, hertz, formant in (("anna", 200, 650), ("bert", 105, 480), ("cleo", 180, 600), ("dora", 230, 700)):
        for i in range(8):
            seconds = 1.4 + 0.1 * i
            record(f"recordings/{speaker}/{i}.wav", hertz + 3 * i, seconds, formant)
            (folder / f"recordings/{speaker}/{i}.txt").write_text("ha " * (i + 1))
            _write_labels(folder / f"labels/{speaker}-{i}.lab", seconds)
    (folder / "broken.wav").write_bytes((folder / "a.wav").read_bytes()[:40_000])
    soundfile.write(folder / "silence.wav", np.zeros(audio.RATE, np.float32), audio.RATE)
    live_model().save_pretrained(folder / "live.safetensors")
    program = folder / "bin" / "vqspeech"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vqspeech.cli "$@"\n')
    program.chmod(0o755)


def _write_labels(path: Path, seconds: float) -> None:
    """Write the phones of `vowels` in HTK's format: a vowel of 0.3 s and a pause of 0.1 s in turn."""
    edges = [0.0]
    while edges[-1] < seconds:
        edges.append(min(seconds, edges[-1] + (0.3, 0.1)[(len(edges) - 1) % 2]))
    path.parent.mkdir(exist_ok=True)
    phones = [("aa", "sil")[i % 2] for i in range(len(edges) - 1)]
    lines = [
        f"{start * 1e7:.0f} {end * 1e7:.0f} {phone}"
        for start, end, phone in zip(edges, edges[1:], phones, strict=False)
    ]
    path.write_text("\n".join(lines) + "\n")
