"""`vqspeech prior`, `sample`, `score prior` and `score samples`, from units to a table."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import buzz
from tests.models.test_vqvae import model as small_model
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.commands import score_samples
from vqspeech.data.units import read_units, write_units
from vqspeech.errors import FAILED
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior
from vqspeech.pitch import pitch_statistics

TINY = [
    "prior=transformer_small", "prior.layers=1", "prior.width=8", "prior.heads=2", "prior.window=16",
    "training.steps=6", "training.evaluate_every=3", "training.evaluate_batches=1", "training.batch=4",
    "training.length=32",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory, small_data) -> Path:
    """Folder with the models `world` and, of the same codes, `wavenet`, another one `other`, one of one code; data and
    its units; a prior."""
    folder = tmp_path_factory.mktemp("prior")
    model = small_model()
    model.save_pretrained(folder / "world.safetensors")
    wavenet = small_model("mini_wavenet")
    wavenet.encoder.load_state_dict(model.encoder.state_dict())
    wavenet.quantizer.load_state_dict(model.quantizer.state_dict())
    wavenet.save_pretrained(folder / "wavenet.safetensors")
    small_model(seed=1).save_pretrained(folder / "other.safetensors")
    small_model("mini_wavenet", ["quantizer.codes=1"]).save_pretrained(folder / "one.safetensors")
    small_data.write(folder / "data")
    run("encode", "--model", folder / "world.safetensors", "--data", folder / "data", "--out", folder / "units")
    units = ("--units", folder / "units", "--dev", folder / "units", "--data", folder / "data")
    run("prior", "--conf", "mini_prior", *units, "--out", folder / "exp", *TINY)
    run("encode", "--model", folder / "other.safetensors", "--data", folder / "data", "--out", folder / "others")
    units = ("--units", folder / "others", "--dev", folder / "others")
    run("prior", "--conf", "judge_prior", *units, "--out", folder / "judge", *TINY)
    return folder


def run(*words, status=0):
    assert main([str(word) for word in words]) == status


def sample(folder, out, *words, model="world", prior=True, status=0):
    source = ("--prior", folder / "exp/best.safetensors") if prior else ()
    run("sample", "--model", folder / f"{model}.safetensors", *source, "--out", out, *words, status=status)


def test_a_prior_of_units_alone(root, tmp_path):
    units = ("--units", root / "units", "--dev", root / "units")
    run("prior", "--conf", "mini_prior", *units, "--out", tmp_path, *TINY)
    assert LatentPrior.from_pretrained(tmp_path / "best.safetensors").speakers == []
    told = LatentPrior.from_pretrained(root / "exp/best.safetensors")
    assert told.speakers == ["high", "low"] and told.units["sha256"] == read_units(root / "units").sha256


@pytest.mark.parametrize("model", ["world", "wavenet"])
def test_samples(root, tmp_path, model, capsys):
    words = ("--n", 3, "--seconds", 0.25, "--seed", 4)
    sample(root, tmp_path / "a", *words, model=model)
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / "a" / f"sample-00{i}.wav") for i in range(3)]
    assert "3 samples, 0.8 s in" in printed.err and "codes/s" in printed.err
    units = read_units(tmp_path / "a/units.txt")
    assert units.sha256 == read_units(root / "units").sha256 and units.rate == 100
    assert [len(codes) for codes in units.codes.values()] == [25] * 3
    assert [len(audio.read_waveform(tmp_path / "a" / f"{name}.wav")) for name in units.codes] == [4000] * 3
    assert (tmp_path / "a/spectrograms.png").stat().st_size > 1000
    sample(root, tmp_path / "b", *words, model=model)
    sample(root, tmp_path / "c", "--n", 3, "--seconds", 0.25, "--seed", 5, model=model)
    for name in ("units.txt", "sample-000.wav", "sample-002.wav"):
        a, b, c = ((tmp_path / run_ / name).read_bytes() for run_ in "abc")
        assert a == b, "bit by bit"
        assert a != c


def test_voices(root, tmp_path, capsys):
    sample(root, tmp_path / "low", "--n", 1, "--seconds", 0.3, "--speaker", "low")
    sample(root, tmp_path / "high", "--n", 1, "--seconds", 0.3, "--speaker", "high")
    assert (tmp_path / "low/sample-000.wav").read_bytes() != (tmp_path / "high/sample-000.wav").read_bytes()
    sample(root, tmp_path / "no", "--speaker", "nobody", status=FAILED)
    assert "no voice 'nobody'" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_going_on_from_a_recording(root, tmp_path):
    wave = buzz(0.405, 150)
    audio.write(tmp_path / "a.wav", wave)
    words = ("--n", 2, "--seconds", 0.2, "--speaker", "high", "--prompt", tmp_path / "a.wav")
    sample(root, tmp_path / "out", *words)
    model = small_model()
    prompt = model.encode(audio.read_waveform(tmp_path / "a.wav")[: 40 * 160])
    codes = read_units(tmp_path / "out/units.txt").codes
    for one in codes.values():
        assert one[:40].tolist() == prompt.tolist(), "whole codes only"
        assert len(one) == 60
    assert codes["sample-000"].tolist() != codes["sample-001"].tolist()
    soundfile.write(tmp_path / "b.wav", np.repeat(wave, 3), 48_000)  # the same at another sample rate, nearly
    sample(root, tmp_path / "again", *words[:-1], tmp_path / "b.wav")
    assert [len(one) for one in read_units(tmp_path / "again/units.txt").codes.values()] == [60, 60]


def test_a_prompt_shorter_than_a_code(root, tmp_path, capsys):
    audio.write(tmp_path / "a.wav", buzz(0.405, 150)[:159])
    sample(root, tmp_path / "out", "--prompt", tmp_path / "a.wav", status=FAILED)
    assert "9.9 ms are shorter than a code, 10.0 ms" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_other_codes_is_refused(root, tmp_path, capsys):
    sample(root, tmp_path / "out", model="other", status=FAILED)
    assert "the model has other codes than the prior was trained on (sha256 " in capsys.readouterr().err
    sample(root, tmp_path / "out", "--ngram", 2, "--units", root / "units", model="other", prior=False, status=FAILED)
    assert "the model has other codes" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no source of codes; name a --prior"),
        (["--ngram", "3"], "--ngram needs the units"),
        (["--prior", "world.safetensors"], "world.safetensors: is no prior"),
        (["--prior", "gone"], "gone: no such checkpoint"),
    ],
)
def test_wrong_sources(root, tmp_path, monkeypatch, words, message, capsys):
    monkeypatch.chdir(root)
    sample(root, tmp_path / "out", *words, prior=False, status=FAILED)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--top-p", "0"], ["--temperature", "-1"], ["--n", "0"], ["--seconds", "nan"], ["--seed", "-1"]]
)
def test_wrong_numbers(root, tmp_path, words):
    with pytest.raises(SystemExit):
        sample(root, tmp_path, *words)


def test_ngrams_and_babble(root, tmp_path):
    sample(root, tmp_path / "3", "--ngram", 3, "--units", root / "units", "--n", 2, "--seconds", 0.2, prior=False)
    assert read_units(tmp_path / "3/units.txt").model == f"3-gram of {root / 'units'}"
    sample(root, tmp_path / "0", "--n", 2, "--seconds", 0.2, model="one", prior=False)
    units = read_units(tmp_path / "0/units.txt")
    assert units.size == 1 and [one.tolist() for one in units.codes.values()] == [[0] * 20] * 2
    sounds = [audio.read_waveform(tmp_path / f"0/sample-00{i}.wav") for i in range(2)]
    assert (sounds[0] != sounds[1]).any(), "the decoder draws for each sample"


def test_the_invented_melody_falls_within_the_voice():
    model = small_model()
    contour = model.make_declination_contour(100, "low")
    mean, deviation = model.pitch[1].tolist()
    assert contour.shape == (100,) and (np.diff(contour) < 0).all()
    assert contour.mean() == pytest.approx(mean) and np.ptp(contour) == pytest.approx(2 * deviation)
    model.pitch.fill_(torch.nan)
    assert (model.make_declination_contour(9, "low") == 0).all()
    assert np.isfinite(pitch_statistics(contour)).all()


def test_score_prior(root, tmp_path, capsys):
    units, out = ("--units", root / "units"), tmp_path / "scores.json"
    prior = ("--prior", root / "exp/best.safetensors")
    run("score", "prior", *prior, *units, "--train", root / "units", "--data", root / "data", "--out", out)
    section = json.loads(out.read_text())["sections"]["prior"]
    rows = {row["row"]: row for row in section["rows"]}
    assert rows["uniform"]["bits/code, held out"]["value"] == 5 and rows["uniform"]["bits/s, held out"]["value"] == 500
    assert rows["unigram"]["gap"] == 0 and "n-gram, conditioned on the speaker" in rows
    assert any("of 2 speakers, and hold for these alone" in note for note in section["notes"])
    dev = ("--dev", root / "units", "--data", root / "data")
    run("score", "prior", *prior, *units, "--train", root / "units", *dev, "--out", out, "--section", "dev")
    assert any("on held-out ones" in note for note in json.loads(out.read_text())["sections"]["dev"]["notes"])
    run(
        "score",
        "prior",
        *prior,
        *units,
        "--train",
        root / "units",
        "--dev",
        tmp_path / "o",
        "--out",
        out,
        status=FAILED,
    )
    bits = LatentPrior.from_pretrained(root / "exp/best.safetensors").bits(
        [read_units(root / "units").codes["low-1"]], ["low"]
    )
    [detail] = [one for one in section["details"] if one["utterance"] == "low-1"]
    assert detail["bits/code"] == pytest.approx(bits[0].mean()) and detail["bits/s"] == 100 * detail["bits/code"]
    run("score", "prior", *prior, *units, "--out", out, "--section", "alone")
    alone = json.loads(out.read_text())["sections"]["alone"]["rows"]
    assert [row["row"] for row in alone] == ["uniform", "prior"]
    write_units(tmp_path / "u", {"a": [1, 2]}, 100.0, 32, "m", "0" * 64)
    run("score", "prior", *prior, "--units", tmp_path / "u", "--out", out, status=FAILED)
    assert "has other codes than the prior was trained on (sha256" in capsys.readouterr().err
    (tmp_path / "u").write_text("")
    run("prior", "--units", tmp_path / "u", "--dev", root / "units", "--out", tmp_path / "e", status=FAILED)
    assert "no utterances" in capsys.readouterr().err and not (tmp_path / "e").exists()


class Listener:
    """Hears a word a tenth of a second, the louder the clip the more."""

    name = "listener"

    def transcribe(self, wave):
        return " ".join(["one", "two", "three", "four", "five"][: 1 + int(20 * np.abs(wave).mean())])


def test_score_samples(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(score_samples, "Moonshine", Listener)
    monkeypatch.setattr(score_samples.measures, "read_dictionary", lambda: frozenset(["one", "three"]))
    short = ("--n", 2, "--seconds", 0.4)
    sample(root, tmp_path / "p", *short)
    sample(root, tmp_path / "b", *short, model="one", prior=False)
    model = ("--model", root / "world.safetensors")
    run("reconstruct", *model, "--data", root / "data", "--out", tmp_path / "r", "--limit", 3)
    given = (
        "--data",
        root / "data",
        "--reconstructed",
        tmp_path / "r",
        "--train",
        root / "units",
        "--dev",
        root / "units",
    )
    out = ("--out", tmp_path / "scores.json")
    everything = read_units(root / "units")
    few = dict(list(everything.codes.items())[:1])
    write_units(tmp_path / "dev", few, everything.rate, everything.size, everything.model, everything.sha256)
    given = (*given[:-1], tmp_path / "dev")
    measured, make_rows = [], score_samples.evaluation.make_rows
    monkeypatch.setattr(
        score_samples.evaluation, "make_rows", lambda table, speech: measured.append(speech) or make_rows(table, speech)
    )
    run("score", "samples", *model, "--samples", f"prior={tmp_path / 'p'}", f"babble={tmp_path / 'b'}", *given, *out)
    section = json.loads((tmp_path / "scores.json").read_text())["sections"]["samples"]
    assert [row["row"] for row in section["rows"]] == [
        "recordings", "recordings, resynthesised", "prior", "prior: codes as drawn", "babble",
    ]  # fmt: skip
    assert "no phones: no alignments were given (--phones)" in section["notes"]
    assert len(section["details"]) == 3 + 3 + 2 + 2
    held_out, codes = KneserNey(list(few.values()), everything.size, 3), next(reversed(everything.codes.values()))
    assert np.array_equal(measured[0].ngram.bits(codes), held_out.bits(codes)), "the n-gram is of --dev"
    assert [one.tolist() for one in measured[0].codes] == [one.tolist() for one in everything.codes.values()]
    for words, message in [
        (["--samples", "p"], "--samples p: not NAME=DIR"),
        (["--samples", f"x={tmp_path}"], "no sounds"),
    ]:
        run("score", "samples", *model, *words, *given, *out, status=FAILED)
        assert message in capsys.readouterr().err
    judge = ("--judge", root / "judge/best.safetensors", "--judge-model", root / "other.safetensors")
    samples = ("--samples", f"prior={tmp_path / 'p'}", f"babble={tmp_path / 'b'}")
    run("score", "samples", *model, *samples, *given, *judge, *out)
    section = json.loads((tmp_path / "scores.json").read_text())["sections"]["samples"]
    assert [row.get("perplexity by the judge") is not None for row in section["rows"]] == [
        True,
        True,
        True,
        False,
        True,
    ]
    assert "babble-free: units" in section["rows"][2] and any("transformer of" in note for note in section["notes"])
    for words, message in [
        (
            (*judge[:3], root / "world.safetensors"),
            "judge/best.safetensors has other codes than the prior was trained on",
        ),
        (("--judge", root / "exp/best.safetensors", "--judge-model", root / "world.safetensors"), "name another model"),
        (("--judge", root / "gone"), "gone: no such checkpoint"),
    ]:
        run("score", "samples", *model, *samples, *given, *words, *out, status=FAILED)
        assert message in capsys.readouterr().err
    other = ("--model", root / "other.safetensors")
    run("score", "samples", *other, "--samples", f"x={tmp_path / 'p'}", *given, *out, status=FAILED)
    assert "has other codes" in capsys.readouterr().err
