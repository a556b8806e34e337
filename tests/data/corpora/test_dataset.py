"""Datasets of Hugging Face: Parquet files of this machine, as the Hub has them."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir
from vqspeech.errors import FAILED, SOME_SKIPPED

pytest.importorskip("datasets")
arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)


def sound(form: str, i: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, buzz(0.2 + 0.1 * i, 150, i), audio.RATE, format=form)
    return buffer.getvalue()


def write(path: str, rows: list[dict]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(rows), path)


def row(form: str, i: int, path: str | None, speaker: str = "7", **more: object) -> dict:
    return {"audio": {"bytes": sound(form, i), "path": path}, "speaker_id": speaker, "text": f"row  {i}", **more}


def test_rows_become_utterances():
    write("set/train-0.parquet", [row("FLAC", 0, "a.flac", gender="female"), row("WAV", 1, None, gender=None)])
    write("set/train-1.parquet", [row("OGG", 2, "http://x/y/c.oga", "8", gender="male_masculine")])
    command = ["prepare", "dataset", "--corpus", "set", "--store", "store", "--out", "data"]
    assert main(command) == 0
    data = DataDir.read("data")
    assert {one.id: (one.speaker, one.text, one.gender) for one in data} == {
        "7-a": ("7", "row 0", "f"),
        "7-00000001": ("7", "row 1", "f"),
        "8-c": ("8", "row 2", "m"),
    }
    assert [one.path for one in data] == [
        f"tar://{name}::{os.path.abspath('store/000000.tar')}" for name in ("7-00000001.wav", "7-a.flac", "8-c.oga")
    ]
    for name, i in (("7-a", 0), ("7-00000001", 1)):
        wave = audio.read_waveform(data[name].path)
        assert np.abs(wave - buzz(0.2 + 0.1 * i, 150, i)).max() < 2**-14
        assert data[name].seconds == pytest.approx(0.2 + 0.1 * i)


def test_bad_rows_cost_themselves_alone(capsys: pytest.CaptureFixture):
    empty = {"audio": {"bytes": None, "path": None}, "speaker_id": "7", "text": "no sound"}
    lost = {"audio": {"bytes": None, "path": "lost.wav"}, "speaker_id": "7", "text": ""}
    noise = {"audio": {"bytes": b"noise", "path": "noise.wav"}, "speaker_id": "7", "text": ""}
    rows = [empty, row("WAV", 0, "a.wav"), lost, noise, row("WAV", 1, "a.wav"), row("WAV", 1, "b.wav", "a/\0b")]
    write("set.parquet", rows)
    assert main(["prepare", "dataset", "--corpus", "set.parquet", "--store", "s", "--out", "data"]) == SOME_SKIPPED
    assert [one.id for one in DataDir.read("data")] == ["7-a"]
    out = capsys.readouterr().out
    assert "found 6 recordings" in out and "dropped 3: cannot be read" in out
    assert "another row has the same utterance id" in out and "an id or speaker with characters" in out


def test_sets_without_sound_or_that_are_nowhere_are_refused(capsys: pytest.CaptureFixture):
    write("text.parquet", [{"text": "a"}])
    Path("empty").mkdir()
    Path("broken.parquet").write_bytes(b"no parquet")
    for corpus, reason in (
        ("text.parquet", "no column of sound among text"),
        ("empty", "holds no .parquet"),
        ("broken.parquet", "cannot be opened"),
        ("nobody/nothing", "cannot be opened"),
    ):
        assert main(["prepare", "dataset", "--corpus", corpus, "--store", "s", "--out", "data"]) == FAILED
        assert reason in capsys.readouterr().err
    assert not Path("data").exists()
