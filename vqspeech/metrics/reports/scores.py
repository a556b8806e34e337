"""scores.json: every figure measured on an experiment, with what is needed to measure it again.

{"sections": {NAME: {"rows": [{"row": NAME, COLUMN: {"value", "low", "high", "n"} | number | text, …}, …],
                     "command", "git", "seed", "time", "versions", "notes", "figures", "details"}}}
"""

import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import Any

from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.files import write_text
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.schema import Options

_PACKAGES = ("vqspeech", "torch", "numpy", "scikit-learn")


class ScoresError(VqspeechError):
    """A scores file that cannot be read."""


@dataclass(frozen=True)
class Section:
    """What is read of a section."""

    rows: Sequence[Mapping[str, Any]]
    command: str = ""
    git: str = ""
    seed: int | None = None
    time: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    figures: Sequence[str] = ()
    details: Sequence[Mapping[str, Any]] = ()


def add_rows(
    path: str | os.PathLike,
    section: str,
    rows: Sequence[Mapping[str, Any]],
    command: str | None = None,
    *,
    seed: int | None = None,
    notes: Sequence[str] = (),
    figures: Sequence[str] = (),
    details: Sequence[Mapping[str, Any]] = (),
    packages: Sequence[str] = (),
) -> None:
    """Set `section` of the scores file `path` to `rows`, keeping its other sections; written in one piece.

    Args:
        path: Scores file, made where there is none.
        section: Its name.
        rows: Each has the key "row", its name, and a key per column: an `Estimate` (or a dict of value, low, high, n),
            a number, or a text.
        command: By default the command line of this process.
        seed: Of what was drawn at random.
        notes: How it was measured.
        figures: Paths relative to the file's folder.
        details: Single items (what the ASR heard).
        packages: Further packages whose versions matter.

    Raises:
        ScoresError: The file is there but is no scores file.
    """
    scores = read(path) if os.path.exists(path) else {"sections": {}}
    scores["sections"][section] = {
        "rows": [{key: _cell(value) for key, value in row.items()} for row in rows],
        "command": command or this_command(),
        "git": git_hash(),
        "seed": seed,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(packages),
        "notes": list(notes),
        "figures": list(figures),
        "details": [{key: _cell(value) for key, value in item.items()} for item in details],
    }
    write_text(path, json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Return the content of a scores file, {"sections": …}.

    Raises:
        ScoresError: It cannot be read.
    """
    try:
        scores = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(scores, dict) or not isinstance(scores.get("sections"), dict):
            raise ConfigError("it has no sections")
        for name, section in scores["sections"].items():
            for i, row in enumerate(_SECTION.check(name, section)["rows"]):
                _check_row(f"{name}.rows[{i}]", row)
    except (OSError, ValueError, RecursionError, ConfigError) as error:
        raise ScoresError(f"{path}: no scores file ({error}); remove it and score again") from None
    return scores


_SECTION = Options(Section, allow_unknown=True)


def _check_row(where: str, row: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where a row has no name, or a cell is nothing that a table can show."""
    if not isinstance(row.get("row"), str):
        raise ConfigError(f"{where}.row={row.get('row')}: give the name of the row")
    for column, value in row.items():
        estimate = isinstance(value, Mapping)
        for number in [value.get(key) for key in ("value", "low", "high", "n")] if estimate else [value]:
            if isinstance(number, (int, float)) and not abs(number) < 1e300:  # NaN, too
                raise ConfigError(f"{where}.{column}: {number} is not finite")
            if estimate and (isinstance(number, bool) or not isinstance(number, (int, float, NoneType))):
                raise ConfigError(f"{where}.{column}: {number} is no number")


def find_cell(
    folder: str | os.PathLike, sections: Mapping[str, Any], section: str, row: str, column: str
) -> dict[str, Any]:
    """Return a figure of the sections of an experiment `folder`: at least its {"value"}.

    Raises:
        ScoresError: There is none; the message names the command that makes it.
    """
    for found in sections.get(section, {"rows": []})["rows"]:
        if found["row"] == row and found.get(column) is not None:
            value = found[column]
            return dict(value) if isinstance(value, Mapping) else {"value": value}
    verb = section.split(":", maxsplit=1)[0]
    raise ScoresError(f"{folder}: its scores.json has no {column} of {row}; make it with: vqspeech score {verb}")


def this_command() -> str:
    """Return the command line of this process, as one would type it."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


CHECKOUT = Path(__file__).resolve().parents[3]
CODE = ("vqspeech", "recipes", "egs", "tools/install.sh", "pyproject.toml", "constraints.txt", ":(exclude)*.md")
"""What of the checkout makes scores: not the tables and pictures in egs/, which are made from them."""
CHANGES = "+changes"
"""Ends the commit of scores that code made which is in no commit."""


def git_hash(folder: str | os.PathLike = CHECKOUT) -> str:
    """Return the commit of the checkout `folder`, by default vqspeech's own.

    It is followed by `CHANGES` where `CODE` differs from the commit, and is "none" where `folder` is no checkout of
    vqspeech.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "vqspeech/__init__.py")  # installed inside somebody else's repository?
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *CODE, ":(exclude)egs/*.png")
        added = git("ls-files", "--others", "--exclude-standard", "--", "vqspeech", "recipes")
        return git("rev-parse", "--short=12", "HEAD") + (CHANGES if changed or added else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of Python, of the packages every score depends on, and of `packages`, as far as installed."""
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.as_json()
    if isinstance(value, Mapping):
        return {key: _cell(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cell(inner) for inner in value]
    if hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
