import sys

import pytest

from vqspeech.cli import main
from vqspeech.commands.study_speech import parse_rate
from vqspeech.metrics.reports import scores
from vqspeech.studies.rates import METHODS
from vqspeech.studies.speech import SpeechStudy


@pytest.fixture
def command(small_shards, tmp_path, monkeypatch):
    for package in ("pyworld", "pesq", "pystoi"):
        pytest.importorskip(package)
    monkeypatch.setattr(SpeechStudy, "methods", {name: METHODS[name] for name in ("gradient", "EMA")})
    dump = str(small_shards.path)
    return ["study", "speech", "--train", dump, "--test", dump, "--out", str(tmp_path), "--seeds", "2", "--steps", "4",
            "--batch", "32", "--recordings", "1"]  # fmt: skip


def test_the_study_and_that_it_goes_on_where_it_was(command, tmp_path, monkeypatch, capsys):
    assert main([*command, "--bits", "2"]) == 0
    made = []
    figures = SpeechStudy._run_one
    monkeypatch.setattr(SpeechStudy, "_run_one", lambda self, *run: (made.append(run), figures(self, *run))[1])
    assert main([*command, "--bits", "2"]) == 0 and not made
    assert main([*command, "--bits", "2", "1+1"]) == 0
    assert {run[0] for run in made} == {(1, 1)} and len(made) == 4 * 2, "2 seeds of 4 rows"
    sections = scores.read(tmp_path / "scores.json")["sections"]
    assert list(sections) == ["speech", "speech: 2 bits", "speech: convergence at 2 bits", "speech: findings",
                              "speech: 1+1 bits"]  # fmt: skip
    assert sections["speech"]["rows"][0]["PESQ against WORLD copy"] == pytest.approx(4.644, abs=1e-3)
    [row] = [row for row in sections["speech: 2 bits"]["rows"] if row["row"] == "EMA, never"]
    assert row["spectral distortion (dB)"]["n"] == 2 and 0 < row["PESQ against WORLD copy"]["value"] < 4.6
    findings = {one["row"]: one for one in sections["speech: findings"]["rows"]}
    assert all(one["source"] for one in findings.values())
    assert "2 bits: dB" not in findings["replaced in neither: soft EM errs less than hard EM"], "soft EM was not run"
    replaced = findings["EMA with replacement errs less than without"]
    assert replaced["2 bits: dB"].split(":")[0] in ("agrees", "disagrees", "undecided")
    for name in ("speech.png", "speech-spectrograms.png"):
        assert (tmp_path / "pictures" / name).stat().st_size > 1000
    assert "EMA, by batches" in capsys.readouterr().out


def test_a_missing_judge_is_said_before_any_work(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pesq", None)
    assert main([*command, "--bits", "2"]) == 1
    assert "pesq is not installed; get it with: pip install 'vqspeech[study]'" in capsys.readouterr().err
    assert not (tmp_path / "runs.jsonl").exists()


def test_options(command, capsys):
    assert parse_rate("8") == (8,) and parse_rate("8+10") == (8, 10)
    for wrong in (["--bits", "eight"], ["--bits", "0"], ["--bits", "8+17"], ["--bits", "8+"]):
        with pytest.raises(SystemExit):
            main([*command, *wrong])
        assert "is not a rate" in capsys.readouterr().err
    assert main([*command, "--device", "nowhere"]) == 1
    assert "no device 'nowhere'" in capsys.readouterr().err
