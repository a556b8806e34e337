"""`vqspeech align` and `vqspeech score alignment`."""

import json

import pytest

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.alignment import write_ctm
from vqspeech.data.corpora import espeak, mini
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import FAILED, SOME_SKIPPED


@pytest.fixture
def data(tmp_path):
    """Two sentences with exact times, and one without text."""
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    utterances = []
    for name, text in (("anna-1", "A warm bath on a cold night."), ("bruno-1", "Good night, and sleep well.")):
        wave, phones = mini.synthesise_recording(name.split("-")[0], text)
        audio.write(tmp_path / f"{name}.wav", wave, espeak.RATE)
        write_ctm(tmp_path / f"{name}.ctm", name, phones)
        speaker, path = name.split("-")[0], str(tmp_path / f"{name}.wav")
        utterances.append(Utterance(name, speaker, path, text=text, alignment=str(tmp_path / f"{name}.ctm")))
    DataDir(utterances).write(tmp_path / "exact")
    DataDir([utterances[0], Utterance("bruno-1", "bruno", utterances[1].path)]).write(tmp_path / "part")
    return tmp_path


def test_align_then_score(data, capsys):
    assert main(["align", str(data / "exact"), "--out", str(data / "made")]) == 0
    captured = capsys.readouterr()
    assert "aligned 2 of 2 utterances" in captured.out and "x real time" in captured.err
    assert (data / "made.align" / "doubtful").is_file()
    assert DataDir.read(data / "made")["anna-1"].alignment == str(data / "made.align" / "anna" / "anna-1.TextGrid")
    command = ["score", "alignment", "--data", str(data / "made"), "--reference", str(data / "exact")]
    assert main([*command, "--out", str(data / "scores.json")]) == 0
    assert "| between two phones |" in capsys.readouterr().out
    section = json.loads((data / "scores.json").read_text())["sections"]["alignment"]
    row = section["rows"][0]
    assert row["median error (ms)"]["value"] < 15 and row["boundaries compared"]["value"] > 0.9
    assert section["notes"][0].startswith("2 utterances of ")


def test_some_without_a_transcript(data, capsys):
    assert main(["align", str(data / "part"), "--out", str(data / "part"), "--nj", "2"]) == SOME_SKIPPED
    captured = capsys.readouterr()
    assert "skipped bruno-1: no transcript" in captured.err and "aligned 1 of 2" in captured.out
    assert [one.alignment is None for one in DataDir.read(data / "part")] == [False, True]


def test_nothing_to_align_writes_nothing(data, capsys):
    DataDir([Utterance("anna-1", "anna", str(data / "anna-1.wav"))]).write(data / "silent")
    assert main(["align", str(data / "silent"), "--out", str(data / "out")]) == FAILED
    assert "no utterance could be aligned, so nothing is written" in capsys.readouterr().err
    assert not (data / "out").exists()


def test_alignments_of_others(data, capsys):
    assert main(["align", str(data / "part"), "--out", str(data / "out"), "--from", str(data)]) == 0
    assert "aligned 2 of 2" in capsys.readouterr().out
    assert DataDir.read(data / "out")["bruno-1"].alignment == str(data / "bruno-1.ctm")
    assert not (data / "out.align").exists()
