"""Units without a decoder through the verbs, and units of several models in one table."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.commands import encode
from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.features import FeaturesAbout, describe_features, read_features, write_features
from vqspeech.data.phones import PHONES
from vqspeech.data.units import read_units, write_units
from vqspeech.models.coder import Coder


def vqspeech(*words):
    return main([str(word) for word in words])


def test_train_info_encode_and_export(small_data, small_shards, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_data.write(tmp_path / "data")
    options = ["quantizer.codes=8", "encoder.latents=5", "training.clusters=6", "training.steps=5"]
    dump = small_shards.path
    assert vqspeech("train", "--conf", "units_lda", "--train", dump, "--dev", dump, "--out", "exp/lda", *options) == 0
    assert "variance left over" in capsys.readouterr().err
    assert vqspeech("info", "--model", "exp/lda") == 0
    told = capsys.readouterr().out
    assert "kmeans, 8 codes of 5 dimensions" in told and "25 codes/s" in told and "receptive field, decoder" not in told
    assert vqspeech("models") == 0
    assert ["exp/lda", "none", "25", "75", "0"] in [line.split()[:5] for line in capsys.readouterr().out.splitlines()]
    assert vqspeech("encode", "--model", "exp/lda", "--data", "data", "--out", "units.txt") == 0
    units, model = read_units("units.txt"), Coder.from_pretrained("exp/lda")
    assert (units.rate, units.size, units.sha256) == (25.0, 8, model.fingerprint()) and len(units.codes) == 8
    assert vqspeech("export", "--model", "exp/lda", "--out", "small.safetensors") == 0
    assert Coder.from_pretrained("small.safetensors").quantizer.size == 8
    card = (tmp_path / "small.md").read_text()
    assert "- decoder: none: codes only" in card and "- command: " in card and "Voices" not in card
    capsys.readouterr()
    assert vqspeech("speakers", "--model", "exp/lda") != 0
    assert "without decoder" in capsys.readouterr().err


@pytest.fixture
def experiments(tmp_path):
    """Data of two speakers, one to tell the maps and one to score, and units that are the phones, or noise."""
    random = np.random.default_rng(0)
    right, noise = {"map": {}, "unseen": {}}, {"map": {}, "unseen": {}}
    for part, speaker in (("map", "a"), ("unseen", "b")):
        utterances = []
        for i in range(6):
            name, phones = f"{speaker}-{i}", random.integers(2, 41, 60)
            path = tmp_path / f"{name}.ctm"
            write_ctm(path, name, [Interval(n / 10, (n + 1) / 10, PHONES[p]) for n, p in enumerate(phones)])
            utterances.append(Utterance(name, speaker, f"/wav/{name}.wav", alignment=str(path)))
            right[part][name], noise[part][name] = (phones + 1) % 41, random.integers(0, 41, 60)
        DataDir(utterances).write(tmp_path / part)
    for kind, codes in (("right", right), ("noise", noise)):
        for part, these in codes.items():
            (tmp_path / kind / "units").mkdir(parents=True, exist_ok=True)
            write_units(tmp_path / kind / "units" / f"{part}.txt", these, 10.0, 41, kind, kind[0] * 64)
    return tmp_path


def test_mapping_scores_each_experiment_beside_the_first(experiments, capsys):
    words = ["--fit", "map", experiments / "map", "--score", "unseen", experiments / "unseen"]
    out = experiments / "scores.json"
    assert vqspeech("score", "mapping", experiments / "noise", experiments / "right", *words, "--out", out) == 0
    section = json.loads(out.read_text())["sections"]["mapping"]
    rows = {row["row"]: row for row in section["rows"]}
    assert list(rows) == ["most likely phone", "noise", "right"]
    assert rows["right"]["speech only"]["value"] == 1 and rows["noise"]["speech only"]["value"] < 0.2
    assert rows["right"]["above noise"]["low"] > 0.8 and rows["noise"]["above noise"] is None
    assert any("map fitted to 6 utterances of 1 speakers" in note for note in section["notes"])
    assert any(note.startswith("right: 41 codes at 10 Hz, no best.safetensors") for note in section["notes"])
    assert "above noise" in capsys.readouterr().out


def test_mapping_compares_codes_features_and_mfcc_by_abx(small_data, tmp_path):
    """Recordings with phones of a tenth of a second, never twice in a row, and features that are those phones."""
    data, units, features = [], {}, {}
    for i, one in enumerate(small_data):
        seconds = audio.info(one.path).seconds
        count = int(seconds * 10)
        phones = [4 + (n // 2 + i) % 3 if n % 2 else 2 + n // 2 % 2 for n in range(count)]
        path = tmp_path / f"{one.id}.ctm"
        write_ctm(path, one.id, [Interval(n / 10, (n + 1) / 10, PHONES[p]) for n, p in enumerate(phones)])
        data.append(replace(one, alignment=str(path)))
        units[one.id] = np.array(phones)
        features[one.id] = np.eye(8)[phones]
    DataDir(data).write(tmp_path / "all")
    for part in ("map", "unseen"):
        write_units(tmp_path / f"m/units/{part}.txt", units, 10.0, 8, "m", "0" * 64)
    for name, one in features.items():
        write_features(tmp_path / "m/features/unseen", name, one)
    describe_features(tmp_path / "m/features/unseen", FeaturesAbout(10.0, 8, "m", "0" * 64))
    named = list(units)
    DataDir(data[:1]).write(tmp_path / "one")
    write_units(tmp_path / "m/units/one.txt", {named[0]: units[named[0]]}, 10.0, 8, "m", "0" * 64)
    rest = DataDir(data[1:])
    rest.write(tmp_path / "rest")
    write_units(tmp_path / "m/units/unseen.txt", {n: units[n] for n in named[1:]}, 10.0, 8, "m", "0" * 64)
    words = ["--fit", "one", tmp_path / "one", "--score", "unseen", tmp_path / "rest", "--abx"]
    out = tmp_path / "scores.json"
    assert vqspeech("score", "mapping", tmp_path / "m", *words, "--out", out) == 0
    sections = json.loads(out.read_text())["sections"]
    assert list(sections) == ["mapping", "mapping: codes", "mapping: ABX"]
    rows = {row["row"]: row for row in sections["mapping: ABX"]["rows"]}
    assert list(rows) == ["MFCC", "m", "m, features"]
    assert rows["m"]["within speakers"]["value"] == rows["m, features"]["within speakers"]["value"] == 0
    assert rows["MFCC"]["within speakers"]["value"] > 0.1
    speakers = len(set(rest.speakers))
    assert f"intervals: jackknife over utterances, of {speakers} speakers" in sections["mapping: ABX"]["notes"]
    assert any(f"utterances, of {speakers} speakers" in note for note in sections["mapping: codes"]["notes"])
    assert sections["mapping: codes"]["rows"][0]["PNMI"]["value"] == pytest.approx(1)


def test_features_come_with_the_codes(small_data, small_shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_data.write(tmp_path / "data")
    options = ["quantizer=residual", "quantizer.codes=4", "encoder.latents=5"]
    options += ["training.clusters=6", "training.steps=5"]
    dump = small_shards.path
    assert vqspeech("train", "--conf", "units_lda", "--train", dump, "--dev", dump, "--out", "exp/two", *options) == 0
    words = ["--model", "exp/two", "--data", "data", "--out", "units.txt", "--features", "features"]
    assert vqspeech("encode", *words) == 0
    units, model = read_units("units.txt"), Coder.from_pretrained("exp/two")
    assert units.stages == (4, 4) and units.size == 16
    found, about = read_features("features", units.codes)
    assert (about.rate_hz, about.dimension, about.sha256) == (25.0, 5, model.fingerprint())
    for name, codes in units.codes.items():
        assert found[name].shape == (len(codes), 5)
        assert np.array_equal(model.quantizer.nearest(torch.from_numpy(found[name])).numpy(), codes)
    assert vqspeech("encode", *words[:4], "--out", "again.txt") == 0
    assert read_units("again.txt").codes.keys() == units.codes.keys()
    assert all(np.array_equal(read_units("again.txt").codes[n], c) for n, c in units.codes.items())


def test_bfloat16_changes_few_codes_and_is_refused_where_it_is_slow(small_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small_data.write(tmp_path / "data")
    words = ["--model", "units", "--data", "data"]
    monkeypatch.setattr(encode, "supports_bfloat16", lambda _: True)
    for precision in ("fp32", "bf16"):
        options = ("--precision", precision, "--features", precision)
        assert vqspeech("encode", *words, "--out", f"{precision}.txt", *options) == 0
    one, other = (np.concatenate([*read_units(f"{name}.txt").codes.values()]) for name in ("fp32", "bf16"))
    assert np.mean(one == other) > 0.9
    found, wanted = (
        np.concatenate([*read_features(name, read_units(f"{name}.txt").codes)[0].values()]) for name in ("bf16", "fp32")
    )
    assert found.dtype == np.float32 and not np.array_equal(found, wanted)
    monkeypatch.setattr(encode, "supports_bfloat16", lambda _: False)
    assert vqspeech("encode", *words, "--out", "no.txt", "--precision", "bf16") == 1
    assert "no instructions for bfloat16; use fp32" in capsys.readouterr().err and not (tmp_path / "no.txt").exists()


def test_a_map_is_not_scored_on_what_told_it(experiments, capsys):
    words = ["--fit", "map", experiments / "map", "--score", "map", experiments / "map"]
    assert vqspeech("score", "mapping", experiments / "right", *words, "--out", experiments / "scores.json") != 0
    assert "both fitted to and scored on" in capsys.readouterr().err
    assert not (experiments / "scores.json").exists()
