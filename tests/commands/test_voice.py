import sys

import numpy as np
import pytest
import soundfile
import soxr

from tests.models.recorded import voice_model, vowels
from tests.models.test_vqvae import model as world_model
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.errors import FAILED, SOME_SKIPPED
from vqspeech.voices import Voice, voice_path


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two models that take voices from recordings and one that does not; recordings."""
    folder = tmp_path_factory.mktemp("voice")
    voice_model().save_pretrained(folder / "model.safetensors")
    voice_model(seed=1).save_pretrained(folder / "other.safetensors")
    voice_model("decoder.conditioning=continuous").save_pretrained(folder / "latents.safetensors")
    world_model().save_pretrained(folder / "world.safetensors")
    audio.write(folder / "source.wav", vowels(110, 1.2))
    (folder / "anna").mkdir()
    for i in range(2):
        audio.write(folder / "anna" / f"{i}.wav", vowels(200 + 20 * i, 1.5))
    return folder


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path / "voices"))


def run(*words, status=0):
    assert main([str(word) for word in words]) == status


def test_like_a_recording(root, tmp_path, capsys):
    out = tmp_path / "out.wav"
    words = ("convert", "--model", root / "model.safetensors", "--src", root / "source.wav")
    run(*words, "--like", root / "anna" / "0.wav", root / "anna" / "1.wav", "--out", out)
    model = voice_model()
    voice = model.make_voice([audio.read_waveform(root / "anna" / f"{i}.wav") for i in range(2)])
    expected = model.convert(audio.read_waveform(root / "source.wav"), voice)
    assert audio.read_waveform(out) == pytest.approx(expected, abs=1e-3)
    capsys.readouterr()
    run(*words, "--like", root / "anna" / "0.wav", "--pitch", "5", "--formant", "1.1", "--out", tmp_path / "b.wav")
    voice = model.make_voice([audio.read_waveform(root / "anna" / "0.wav")])
    expected = model.convert(audio.read_waveform(root / "source.wav"), voice, shift=5, formant=1.1)
    assert audio.read_waveform(tmp_path / "b.wav") == pytest.approx(expected, abs=1e-3)


def test_retrieval_from_recordings(root, tmp_path, capsys):
    words = ("convert", "--model", root / "latents.safetensors", "--src", root / "source.wav")
    like = ("--like", root / "anna" / "0.wav")
    run("voice", "make", "--model", root / "latents.safetensors", "--src", root / "anna" / "0.wav", "--name", "me")
    model = voice_model("decoder.conditioning=continuous")
    voice = model.make_voice([audio.read_waveform(root / "anna" / "0.wav")])
    source = audio.read_waveform(root / "source.wav")
    for share, options in ((None, ()), (0.0, ("--retrieval", 0)), (1.0, ("--retrieval", 1))):
        expected = pytest.approx(model.convert(source, voice, retrieval=share), abs=1e-3)
        for target in (like, ("--speaker", "me")):
            run(*words, *target, *options, "--out", tmp_path / f"{share}.wav")
            assert audio.read_waveform(tmp_path / f"{share}.wav") == expected
    capsys.readouterr()
    run(*words, "--speaker", "low", "--retrieval", 0.5, "--out", tmp_path / "low.wav", status=FAILED)
    assert "retrieval needs recordings of the target" in capsys.readouterr().err


def test_a_voice_of_ones_own(root, tmp_path, capsys):
    model = ("--model", root / "model.safetensors")
    run("voices")
    assert "make one" in capsys.readouterr().err
    run("voice", "make", *model, "--src", root / "anna", "--name", "me")
    assert "2 recordings" in capsys.readouterr().out
    run("voices")
    name, pitch, seconds, _ = capsys.readouterr().out.split("\t")
    assert name == "me" and 195 < float(pitch.split()[0]) < 225 and float(seconds.split()[0]) > 1.5
    run("speakers", *model)
    assert "me\t-\t" in capsys.readouterr().out
    run("speakers", "--model", root / "other.safetensors")
    assert "me" not in capsys.readouterr().out, "a voice of another model"
    source = root / "source.wav"
    run("convert", *model, "--src", source, "--speaker", "me", "low", "--out", tmp_path)
    sounds = [audio.read_waveform(tmp_path / name / "source.wav") for name in ("me", "low")]
    assert not np.allclose(*sounds, atol=1e-3)
    run("voice", "make", *model, "--src", source, "--name", "me", status=FAILED)
    assert "already" in capsys.readouterr().err
    run("voice", "make", *model, "--src", root / "anna" / "0.wav", "--name", "me", "--force")
    run("voice", "make", *model, "--src", source, "--name", "low", status=FAILED)
    assert "the model has a voice" in capsys.readouterr().err
    out = ("--out", tmp_path / "x.wav")
    run("convert", "--model", root / "other.safetensors", "--src", source, "--speaker", "me", *out, status=FAILED)
    assert "another model" in capsys.readouterr().err
    run("convert", *model, "--src", source, "--speaker", "../me", *out, status=FAILED)
    assert "the voice '../me' cannot name a file" in capsys.readouterr().err


def test_a_voice_that_is_trained(root, tmp_path, capsys):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for i in range(4):
        audio.write(folder / f"{i}.wav", vowels(200 + 10 * i, 3.0))
    make = ("voice", "make", "--model", root / "model.safetensors", "--src", folder)
    run(*make, "--name", "plain")
    run(*make, "--name", "trained", "--steps", 2)
    assert "with a trained vector" in capsys.readouterr().err
    plain, trained = (Voice.load(voice_path(name)) for name in ("plain", "trained"))
    assert trained.pitch == plain.pitch and trained.model == plain.model
    assert not np.array_equal(trained.vector, plain.vector)
    run("convert", *make[2:4], "--src", root / "source.wav", "--speaker", "trained", "--out", tmp_path / "x.wav")
    short = ("--src", root / "anna")
    run(*make[:4], *short, "--name", "short", "--steps", 2, status=FAILED)
    assert "too short" in capsys.readouterr().err and not voice_path("short").exists()
    run(*make, "--name", "a b", "--steps", 2, status=FAILED)
    assert "without blanks" in capsys.readouterr().err


def test_recordings_that_make_no_voice(root, tmp_path, capsys):
    model = ("--model", root / "model.safetensors")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    audio.write(tmp_path / "short.wav", vowels(200, 0.4))
    (tmp_path / "empty").mkdir()
    make = ("voice", "make", "--name", "x")
    run(*make, *model, "--src", tmp_path / "bad.wav", root / "anna", status=SOME_SKIPPED)
    run(*make, *model, "--force", "--src", tmp_path / "short.wav", status=FAILED)
    assert "1 s of speech" in capsys.readouterr().err
    run(*make, *model, "--force", "--src", tmp_path / "empty", status=FAILED)
    assert "contains no file" in capsys.readouterr().err
    run(*make, "--force", "--model", root / "world.safetensors", "--src", root / "anna", status=FAILED)
    assert "only the voices" in capsys.readouterr().err
    words = ("convert", "--src", root / "source.wav", "--like", tmp_path / "short.wav", "--out", tmp_path / "y.wav")
    run(*words, *model, status=FAILED)
    run(*words, "--model", root / "world.safetensors", status=FAILED)
    assert not (tmp_path / "y.wav").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--pitch", "99"],
        ["--formant", "0"],
        ["--formant", "nan"],
        ["--pitch", "x"],
        ["--retrieval", "2"],
        ["--like", "a.wav"],
    ],
)
def test_options_out_of_range(root, words, capsys):
    with pytest.raises(SystemExit):
        run("convert", "--src", root / "source.wav", "--speaker", "low", *words)


@pytest.mark.parametrize("rate", [24000, 48000])
def test_what_is_written_at_another_rate(root, tmp_path, capsysbinary, rate):
    words = ("convert", "--model", root / "model.safetensors", "--src", root / "source.wav")
    words += ("--like", root / "anna" / "0.wav")
    run(*words, "--out", tmp_path / "a.wav")
    run(*words, "--rate", rate, "--out", tmp_path / "b.wav")
    assert audio.info(tmp_path / "b.wav").rate == rate
    written, _ = soundfile.read(tmp_path / "b.wav")
    expected = soxr.resample(audio.read_waveform(tmp_path / "a.wav"), 16000, rate)
    assert written == pytest.approx(expected, abs=2e-3)
    capsysbinary.readouterr()


def test_loudness_and_pauses(root, tmp_path, capsys, monkeypatch):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="not installed: bash tools/install.sh loudness")
    source, generator = tmp_path / "source.wav", np.random.default_rng(0)
    room = generator.normal(0, 1e-3, 16000).astype(np.float32)
    audio.write(source, np.r_[room, vowels(110, 1.2), room])
    words = ("convert", "--model", root / "model.safetensors", "--src", source, "--like", root / "anna" / "0.wav")
    run(*words, "--loudness", "-30", "--out", tmp_path / "a.wav")
    found = pyloudnorm.Meter(16000).integrated_loudness(audio.read_waveform(tmp_path / "a.wav"))
    assert found == pytest.approx(-30, abs=0.2)
    run(*words, "--preserve-pauses", "--out", tmp_path / "b.wav")
    assert audio.read_waveform(tmp_path / "b.wav")[:12000] == pytest.approx(room[:12000], abs=1e-3)
    assert np.corrcoef(audio.read_waveform(tmp_path / "b.wav")[2000:12000], room[2000:12000])[0, 1] > 0.95
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)
    run(*words, "--loudness", "-30", "--out", tmp_path / "c.wav", status=FAILED)
    assert "loudness" in capsys.readouterr().err and not (tmp_path / "c.wav").exists()


def test_recordings_that_hardly_agree_are_named(root, tmp_path, capsys, monkeypatch):
    words = (
        "convert",
        "--model",
        root / "model.safetensors",
        "--src",
        root / "source.wav",
        "--out",
        tmp_path / "a.wav",
    )
    monkeypatch.setattr("vqspeech.models.speakers.measure_similarity", lambda vectors: 0.1)
    run(*words, "--like", root / "anna" / "0.wav")
    assert "warning: parts of the recordings sound like different speakers (0.10" in capsys.readouterr().err
    run("voice", "make", "--model", root / "model.safetensors", "--src", root / "anna", "--name", "me")
    assert "warning: parts of the recordings" in capsys.readouterr().err
    monkeypatch.setattr("vqspeech.models.speakers.measure_similarity", lambda vectors: 0.9)
    run(*words, "--like", root / "anna" / "0.wav")
    assert "warning" not in capsys.readouterr().err
