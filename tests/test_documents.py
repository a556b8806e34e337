"""Documents and scripts name commands, options, files and configurations that exist."""

import argparse
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from vqspeech.cli import PARTS, VERBS
from vqspeech.metrics.measures.bootstrap import FEWEST_SPEAKERS
from vqspeech.metrics.reports import claims, scores
from vqspeech.subcommands import list_leaves

ROOT = Path(__file__).resolve().parents[1]


def list_files(*patterns: str) -> list[Path]:
    """Return the files of the repository, or of a folder without git, that match."""
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True
    )
    return [ROOT / name for name in found.stdout.split("\n") if name and (ROOT / name).is_file()]


# Results and cards are generated: they keep the command that was run, whatever it is called now.
DOCUMENTS = [
    path
    for path in list_files("*.md", "*.yml")
    if path.name not in ("RESULTS.md", "CHANGELOG.md", "glossary.md", "renames.md") and path.parent.name != "decisions"
]
SCRIPTS = list_files("*.sh")


@cache
def parser_of(verb: str, package: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(verb)
    import_module(f"vqspeech.{package}commands.{verb.replace('-', '_')}").add_arguments(parser)
    for leaf in list_leaves(parser):
        leaf.add_argument("--quiet", action="store_true")
    return parser


def list_commands(text: str) -> list[list[str]]:
    """Return the words of each `vqspeech VERB …` in a text, with the lines that a backslash joins."""
    text = text.replace("\\\n", " ")
    found = []
    for match in re.finditer(r"\bvqspeech ((?:vision |text )?[a-z][a-z-]*\b[^`|>\n]*)", text):
        line = re.split(r"\s#|[;&)]|: |, | or ", match[1])[0]
        line = re.sub(r'[*$"\'\\{}\[\]()…<>]', " ", line)
        found.append(shlex.split(line))
    return found


def check(words: list[str]) -> str:
    """Return what is wrong with the words of a command, or nothing."""
    package, verbs = "", VERBS
    if words and words[0] in PARTS:
        package, verbs, words = f"{words[0]}.", PARTS[words[0]][2], words[1:]
    if not words or words[0] not in verbs:
        return ""  # prose: "vqspeech learns units"
    parser = parser_of(words[0], package)
    for word in words[1:]:
        kinds = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if kinds and word in kinds[0].choices:
            parser = kinds[0].choices[word]
        elif word.startswith("--") and not kinds and word.split("=")[0] not in parser._option_string_actions:
            return f"{parser.prog} has no {word}"
    return ""


@pytest.mark.parametrize("path", [*DOCUMENTS, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(path: Path):
    wrong = [fault for words in list_commands(path.read_text(encoding="utf-8")) if (fault := check(words))]
    assert not wrong


def test_commands_are_found():
    assert list_commands("`vqspeech score units --abx` and\n    vqspeech train --conf x \\\n  --out y  # z") == [
        ["score", "units", "--abx"],
        ["train", "--conf", "x", "--out", "y"],
    ]
    assert "no --nope" in check(["train", "--nope"]) and not check(["train", "--conf", "x"])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_exist(path: Path):
    """Links, and files named in code."""
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text)
    named = re.findall(
        r"(?<![\w/.])((?:vqspeech|tools|tests|recipes|egs|docs)/[\w/.-]+\.(?:py|sh|md|toml|yaml))\b", text
    )
    # Pages that the site generates; `mkdocs build --strict` checks the links to them.
    generated = ("reference/", "results/", "models/")
    links = [
        name
        for name in links
        if path.parts[-2] not in ("docs", "extend") or not name.removeprefix("../").startswith(generated)
    ]
    missing = [name for name in links if not (path.parent / name).exists()]
    missing += [name for name in named if "NAME" not in name and "VERB" not in name and "KIND" not in name
                and "CORPUS" not in name and not (ROOT / name).exists()]  # fmt: skip
    assert not missing


@pytest.mark.parametrize("path", [*DOCUMENTS, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_configurations_exist(path: Path):
    names = {file.stem for file in (ROOT / "vqspeech" / "conf").rglob("*.yaml")} | {"NAME"}
    found = re.findall(r"--conf ([A-Za-z]\w*)", path.read_text(encoding="utf-8"))
    assert set(found) <= names


TABLES = {
    f"{path.parent.name}: {name}, {section}": table
    for path in list_files("egs/*/RESULTS.md")
    for (name, section), table in claims.read_results(path).items()
    if not table.git.endswith(scores.CHANGES)  # drafts
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_row_is_of_a_model_that_has_hardly_been_trained(table: claims.Table):
    """Such as ten steps, of which nothing follows."""
    for row, cells in table.rows.items():
        assert float(cells.get("step") or 100) >= 100, row
        assert float(cells.get("hours of speech seen") or 0.1) >= 0.1, row
    assert not [note for note in table.notes if "samples seen (0.0 h)" in note]


def command_of(table: claims.Table) -> str:
    return next(note for note in table.notes if note.startswith("command: "))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_of_unseen_speakers_says_how_many_they_are(table: claims.Table):
    """It or another of the same command; and it is not called one of unseen speakers where they are fewer than ten."""
    command = command_of(table)
    others = [one for one in TABLES.values() if command_of(one) == command]
    notes = " ".join(note for one in others for note in one.notes if note != command)
    numbers = re.findall(r"(\d+) (?:source |unseen )?speakers", re.split(r"scored on (?=\d)", notes)[-1])
    if re.search(r"\b(data|units|dump)/[\w/]*unseen", command):
        assert numbers, "how many speakers are they?"
    said = " ".join([*table.notes, *table.rows, *(name for cells in table.rows.values() for name in cells)])
    if "unseen" in re.sub(r"\S+/\S*", "", said.replace(command, "")):
        assert numbers and min(map(int, numbers)) >= FEWEST_SPEAKERS


def test_architecture_follows_the_imports():
    done = subprocess.run(
        [sys.executable, "tools/architecture.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
