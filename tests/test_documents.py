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


def test_architecture_follows_the_imports():
    done = subprocess.run(
        [sys.executable, "tools/architecture.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
