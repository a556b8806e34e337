"""The main job end to end, verb by verb as the recipe calls them, on a few synthetic sentences."""

import json

import numpy as np
import pytest

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.corpora import mini
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.models import checkpoint

TRAINING = [
    "encoder.channels=96", "encoder.latents=32", "quantizer.codes=128", "decoder.channels=96", "decoder.layers=3",
    "training.steps=260", "training.batch=12", "training.seconds=0.96", "training.lr=2e-3", "training.warmup=20",
    "training.evaluate_every=130", "training.listen_every=260", "training.listen_seconds=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Folder of a finished run: corpus to scores."""
    folder = tmp_path_factory.mktemp("mini")

    def vqspeech(*words):
        assert main([str(word) for word in words]) == 0

    data, dump, out = folder / "data", folder / "dump", folder / "exp" / "tiny"
    voices = list(mini.VOICES)[:3]
    wanted = [one for one in mini.list_readings() if one.speaker in voices and int(one.utterance[-3:]) <= 24]
    mini.make_corpus(folder / "corpus", wanted, nj=2)[0].write(data / "all")
    vqspeech("split", data / "all", "--out", data, "--unseen", 1, "--share", 0.1)
    vqspeech("validate", data / "all", "--nj", 2)
    for part in ("train", "dev"):
        vqspeech("dump", data / part, "--out", dump / part, "--world", "--nj", 2)
    vqspeech("train", "--conf", "mini_world", "--train", dump / "train", "--dev", dump / "dev", "--out", out, *TRAINING)
    model = ("--model", out / "best.safetensors")
    targets = DataDir.read(data / "train").speakers
    vqspeech("reconstruct", *model, "--data", data / "test", "--out", out / "reconstructed", "--limit", 2)
    vqspeech(
        "convert", *model, "--data", data / "unseen", "--speaker", *targets, "--out", out / "converted", "--limit", 2
    )
    vqspeech("encode", *model, "--data", data / "test", "--out", out / "units" / "test.txt", "--nj", 2)
    vqspeech(
        "score", "units", "--units", out / "units" / "test.txt", "--data", data / "test", "--out", out / "scores.json"
    )
    vqspeech("score", "training", out, "--data", dump / "dev", "--out", out / "scores.json")
    vqspeech("draw", out, "--data", data / "test", "--limit", 1)
    vqspeech("results", out, "--draft", "--out", folder / "RESULTS.md")
    return folder


def test_the_decoder_listens_to_its_codes(experiment):
    figures = checkpoint.read(experiment / "exp/tiny/best.safetensors")[1]["figures"]
    assert figures["shuffle_gap"] > 0.5
    assert figures["decoder"] < 1.5
    assert figures["perplexity"] > 30


def test_codes_know_more_of_phones_than_chance(experiment):
    sections = json.loads((experiment / "exp/tiny/scores.json").read_text())["sections"]
    rows = {row["row"]: row["speech only"]["value"] for row in sections["units: phones"]["rows"]}
    assert rows["accuracy, map held out"] > 2 * rows["most likely phone"]
    assert rows["accuracy, map held out"] > rows["shuffled codes, map held out"] + 0.1
    units = read_units(experiment / "exp/tiny/units/test.txt")
    assert units.rate == 100 and units.size == 128


def test_conversion_moves_the_pitch_and_keeps_the_length(experiment):
    from vqspeech.world import extract_log_f0

    data = DataDir.read(experiment / "data" / "train")
    medians = {}
    for speaker in data.speakers:
        own = [extract_log_f0(audio.read_waveform(u.path)) for u in data.by_speaker[speaker][:4]]
        said = [
            extract_log_f0(audio.read_waveform(path))
            for path in sorted((experiment / f"exp/tiny/converted/{speaker}").iterdir())
        ]
        medians[speaker] = [np.exp(np.median(np.concatenate(part)[np.concatenate(part) > 0])) for part in (own, said)]
    for own, said in medians.values():
        assert said == pytest.approx(own, rel=0.15)
    sources = DataDir.read(experiment / "data" / "unseen")
    for path in experiment.glob("exp/tiny/converted/*/*.wav"):
        utterance = sources[path.stem]
        assert len(audio.read_waveform(path)) == len(audio.read_waveform(utterance.path))


def test_reconstruction_is_nearer_than_another_sentence(experiment):
    from vqspeech.metrics.measures.acoustics import mel_cepstral_distance

    data = DataDir.read(experiment / "data" / "test")
    paths = sorted((experiment / "exp/tiny/reconstructed").iterdir())
    recordings = [audio.read_waveform(data[path.stem].path) for path in paths]
    made = [audio.read_waveform(path) for path in paths]
    right = mel_cepstral_distance(recordings[0], made[0])
    wrong = mel_cepstral_distance(recordings[1], made[0])
    assert right < 0.8 * wrong
    assert right < 8.0, "dB"


def test_results_and_pictures_are_written(experiment):
    text = (experiment / "RESULTS.md").read_text()
    assert "| accuracy, map held out |" in text and "loss added by shuffled codes" in text
    for picture in ("curves.png", *(f"{path.stem}.png" for path in (experiment / "exp/tiny/reconstructed").iterdir())):
        if f"pictures/tiny/{picture}" in text:
            assert (experiment / "pictures" / "tiny" / picture).stat().st_size > 1000
    assert text.count("pictures/tiny/") == 2, "the curves, and one utterance"
