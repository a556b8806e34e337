import io
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("sentencepiece")
pytest.importorskip("sacrebleu")

from vqspeech.cli import main
from vqspeech.errors import ConfigError
from vqspeech.text.commands.score_study import tabulate
from vqspeech.text.commands.score_translations import parse_system
from vqspeech.text.metrics.measures import compare_systems, measure_bleu
from vqspeech.text.metrics.speed import time_sentences
from vqspeech.text.models import Decoding


@pytest.fixture
def files(pairs, tmp_path):
    for name, lines in (("a.en", pairs.source[:20]), ("a.de", pairs.target[:20])):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return str(tmp_path / "a.en"), str(tmp_path / "a.de")


def translate(monkeypatch, capsys, data: bytes, *arguments: str):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    status = main(["text", "translate", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("batch", ["1", "4"])
def test_each_line_of_standard_input_gives_one_line(folder, monkeypatch, capsys, batch):
    data = b"a dog runs\r\n\n" + b"bad \xff\n" + b"red " * 200 + "\n你好\na man".encode()
    status, out, err = translate(monkeypatch, capsys, data, "--model", str(folder / "latent"), "--batch", batch)
    lines = out.split("\n")[:-1]
    assert status == 3 and len(lines) == 6 and lines[1:4] == ["", "", ""] and lines[0]
    assert "line 3: not UTF-8" in err and "line 4: " in err and "line 2" not in err


def test_a_file_is_translated_as_standard_input(folder, files, tmp_path, monkeypatch, capsys):
    model, out = str(folder / "autoregressive"), tmp_path / "out.de"
    assert main(["text", "translate", "--model", model, "--input", files[0], "--out", str(out), "--batch", "7"]) == 0
    data = Path(files[0]).read_bytes()
    assert translate(monkeypatch, capsys, data, "--model", model)[1] == out.read_text()


def test_a_predictor_is_for_latents(folder, monkeypatch, capsys):
    status, _, err = translate(
        monkeypatch, capsys, b"a\n", "--model", str(folder / "parallel"), "--predictor", str(folder / "latent")
    )
    assert status == 1 and "has no latents" in err


def test_a_training_is_resumed(files, tmp_path, capsys):
    small = ["model.width=16", "model.heads=2", "model.hidden=16", "vocabulary.size=300", "training.batch=128",
             "training.evaluate_every=2", "training.translate=2"]  # fmt: skip
    command = ["text", "train", "--conf", "autoregressive_small", "--train", *files, "--dev", *files]
    assert main([*command, "--out", str(tmp_path / "one"), *small, "training.steps=2"]) == 0
    assert main([*command, "--out", str(tmp_path / "one"), *small, "training.steps=4"]) == 0
    assert "from step 2 of 4" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "one"), *small, "training.steps=6", "model.hidden=32"]) == 1
    assert "is of another model" in capsys.readouterr().err


def test_translations_and_latents_are_scored(folder, files, tmp_path, capsys):
    out = str(tmp_path / "scores.json")
    systems = [f"{folder / 'autoregressive'}", f"{folder / 'autoregressive'}:beam=2", f"{folder / 'latent'}:lengths=2"]
    assert main(["text", "score", "translations", *systems, "--data", *files, "--timed", "3", "--out", out]) == 0
    assert main(["text", "score", "latents", str(folder / "latent"), "--data", *files, "--out", out]) == 0
    assert main(["text", "score", "study", f"soft EM={folder / 'latent'}", f"hard EM={folder / 'latent'}", "--data",
                 *files, "--out", out]) == 0  # fmt: skip
    sections = json.loads((tmp_path / "scores.json").read_text())["sections"]
    rows = sections["translations"]["rows"]
    assert [row["row"] for row in rows] == systems
    assert rows[0]["times faster"]["value"] == 1 and rows[2]["times faster"]["value"] > 0
    assert any("nrefs:1" in note and "seed:12345" in note for note in sections["translations"]["notes"])
    assert {row["codes"] for row in sections["latents: codes"]["rows"]} == {32}
    assert sections["study: findings"]["rows"][0]["100 - BLEU"].startswith("undecided")
    assert main(["text", "score", "latents", str(folder / "parallel"), "--data", *files, "--out", out]) == 1


def test_a_line_that_cannot_be_scored_is_refused_first(folder, files, tmp_path, capsys):
    with open(files[0], "a") as one, open(files[1], "a") as other:
        one.write("red " * 200 + "\n")
        other.write("rot\n")
    out = str(tmp_path / "s.json")
    assert main(["text", "score", "translations", str(folder / "latent"), "--data", *files, "--out", out]) == 1
    assert "line 21" in capsys.readouterr().err


def test_systems_are_parsed_or_refused():
    assert parse_system("exp/a:beam=4,penalty=0.6") == ("exp/a", Decoding(4, 0.6, 1))
    assert parse_system("exp/a") == ("exp/a", Decoding())
    for text in ("a:beam=0", "a:beams=2", "a:beam=x", "a:beam"):
        with pytest.raises(ConfigError, match="give MODEL:KEY=VALUE"):
            parse_system(text)


def test_bleu_is_that_of_the_definition():
    """Two sentences by hand: right n-grams of all are 8 of 9, 6 of 7, 4 of 5, 2 of 3; no brevity penalty."""
    translations, references = ["a b c d e", "f g h x"], ["a b c d e", "f g h i"]
    product = 8 / 9 * 6 / 7 * 4 / 5 * 2 / 3
    assert measure_bleu(translations, references) == pytest.approx(100 * product**0.25)


def test_a_better_system_is_better_beyond_chance():
    references = [f"word{i} follows word{i + 1} and word{i + 2} ends it" for i in range(60)]
    worse = [line.replace("follows", "x") if i % 2 else line for i, line in enumerate(references)]
    found, signatures = compare_systems({"same": references, "worse": worse}, references, draws=200)
    assert found["same"].figures["BLEU"].value == pytest.approx(100) and not found["same"].p_values
    assert found["worse"].p_values["BLEU"] < 0.05 and "bs:200" in signatures["BLEU"]


def test_systems_take_turns():
    order = []
    times = time_sentences({"a": lambda _: order.append("a"), "b": lambda _: order.append("b")}, ["x"] * 4)
    assert {name: len(one) for name, one in times.items()} == {"a": 4, "b": 4}
    assert order[6:] == ["a", "b", "b", "a"] * 2 or order[2:] == ["a", "b", "b", "a"] * 2


def test_findings_say_whose_bleu_is_higher():
    better, worse = [30.0, 31.0, 30.5], [20.0, 21.5, 20.2]
    (row,) = tabulate({"soft EM": better, "hard EM": worse})
    assert row["100 - BLEU"].startswith("agrees")
    assert tabulate({"soft EM": worse, "hard EM": better})[0]["100 - BLEU"].startswith("disagrees")
    assert not tabulate({"soft EM": better, "hard EM": worse[:2]})
