"""Every code block of the documentation runs, and prints what the page shows."""

import os
import re
from pathlib import Path
from typing import Any, cast

import pytest

from tests.docs.blocks import (
    REASONS,
    ROOT,
    RUN,
    SHOWN,
    list_blocks,
    list_commands,
    make_scene,
    matches,
    run_command,
)
from vqspeech.models.decoders import DECODER
from vqspeech.models.quantize import QUANTIZER

PAGES = sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "extend").glob("*.md"))


def name(path: Path) -> str:
    return path.relative_to(ROOT / "docs").with_suffix("").as_posix()


def include(text: str) -> str:
    """Return a block with the files that it includes."""
    return re.sub(r'--8<-- "(.+)"', lambda match: (ROOT / "docs" / match[1]).read_text(encoding="utf-8"), text)


@pytest.fixture(autouse=True)
def registries_stay_as_they_are():
    kept = [(cast("dict[str, Any]", registry.kinds), dict(registry.kinds)) for registry in (QUANTIZER, DECODER)]
    yield
    for kinds, before in kept:
        kinds.clear()
        kinds.update(before)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    make_scene(folder)
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if list_blocks(page.read_text(encoding="utf-8"))], ids=name)
def test_blocks_run(page: Path, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    for source in scene.iterdir():
        (tmp_path / source.name).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(scene / "bin"), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples"))
    names = {}

    def printed() -> str:
        return "".join(capfd.readouterr())

    for block in list_blocks(page.read_text(encoding="utf-8")):
        where = f"{name(page)}.md:{block.line}"
        if block.language not in RUN or block.note.startswith("not run"):
            continue
        if block.language == "python":
            exec(compile(include(block.text), where, "exec"), names)
            continue
        for command in list_commands(block.text):
            status, output = run_command(command.line, printed)
            assert (status != 0) == (block.note == "fails"), f"{where}: $ {command.line}\n{output}"
            assert not command.output or matches(command.output, output), f"{where}: $ {command.line}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_are_run_or_say_why_not(page: Path):
    for block in list_blocks(page.read_text(encoding="utf-8")):
        where = f"{name(page)}.md:{block.line}"
        assert block.language in (*RUN, *SHOWN), f"{where}: a block in '{block.language}'"
        reason = block.note.removeprefix("not run: ")
        assert block.note in ("", "fails") or reason in REASONS, f"{where}: {reason}"
        assert block.language != "console" or list_commands(block.text), f"{where}: no command"
        assert block.language != "text" or "$ vqspeech" not in block.text, f"{where}: commands are `console`"


def test_output_is_compared():
    assert matches("a … c", "a b c") and matches("… c", "a\nb c\n") and matches("a …", "a b c")
    assert not matches("a b", "a b c") and not matches("a … d", "a b c")
    (block,) = list_blocks("x\n<!-- not run: needs a GPU -->\n```console\n$ a \\\n  b\nc\n$ d\n```\n")
    assert (block.line, block.note) == (3, "not run: needs a GPU")
    assert [(one.line.split(), one.output) for one in list_commands(block.text)] == [(["a", "b"], "c"), (["d"], "")]
