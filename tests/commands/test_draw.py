"""Pictures of an experiment: one recording that cannot be read costs its own picture."""

import os
from pathlib import Path

import pytest

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import FAILED, SOME_SKIPPED


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    for name in ("a-1", "a-2"):
        audio.write(f"{name}.wav", buzz(0.3, 120))
        audio.write(f"e/reconstructed/{name}.wav", buzz(0.3, 120))
    DataDir([Utterance(name, "a", f"{name}.wav") for name in ("a-1", "a-2")]).write("data")
    Path("a-1.wav").write_text("no sound")
    assert main(["draw", "e", "--data", "data", "--limit", "2"]) == SOME_SKIPPED
    assert "skipped a-1: a-1.wav: not a sound file" in capsys.readouterr().err
    assert os.listdir("e/pictures") == ["a-2.png"]
    Path("e/pictures/a-2.png").unlink()
    Path("e/pictures").rmdir()
    Path("e/pictures").touch()
    assert main(["draw", "e", "--data", "data"]) == FAILED
    assert "e/pictures: is a file, not a folder" in capsys.readouterr().err
