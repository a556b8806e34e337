import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import buzz
from tests.models.recorded import voice_model, vowels
from tests.models.test_voice import told
from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE, audio
from vqspeech.cli import main
from vqspeech.errors import FAILED, SOME_SKIPPED, AudioError, ConfigError, SpeakerError
from vqspeech.jobs import Skipped
from vqspeech.models import checkpoint
from vqspeech.models.decoders import WorldDecoder
from vqspeech.training import adapt
from vqspeech.training.adapt import adapt_voice, cut_recordings, fit_voice


@pytest.fixture
def own(tmp_path):
    """Folder of 13 s of a voice of 160 Hz: one file of 8 s, and two short ones in a folder below."""
    folder = tmp_path / "my recordings"
    (folder / "more").mkdir(parents=True)
    for name, seconds, seed in (("one", 8.0, 1), ("more/a b", 3.0, 2), ("more/c", 2.0, 3)):
        soundfile.write(folder / f"{name}.wav", buzz(seconds, 160, seed), audio.RATE)
    return folder


def trained(name):
    """A small model whose decoder has learned nothing, and is no louder than a vocoder can bear."""
    made = small_model(name)
    for part in made.decoder.modules():
        if isinstance(part, WorldDecoder):
            part.deviation.fill_(3.0)
            part.output.weight.data *= 0.01
    return made


@pytest.mark.parametrize("kind", ["codes", "soft"])
def test_a_voice_of_recordings_is_learned_on_from_there(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt, "EVERY", 4)
    folder = tmp_path / "anna"
    folder.mkdir()
    for i in range(4):
        soundfile.write(folder / f"{i}.wav", vowels(190 + 10 * i, 3.0), audio.RATE)
    model = voice_model(f"decoder.conditioning={kind}")
    source = vowels(110, 1.0)
    before = model.convert(source, "low")
    found = adapt_voice(model, cut_recordings("me", sorted(folder.iterdir()), Skipped()), steps=16)
    assert found.start_voice == "its recordings" and found.losses[2] < found.losses[0]
    assert found.model.speakers == ["high", "low", "me"] and found.model.voice_hash() == model.voice_hash()
    np.testing.assert_allclose(found.model.convert(source, "low"), before, atol=1e-4)
    assert np.isfinite(found.model.convert(source, "me")).all()


def test_the_vector_of_a_voice_is_trained(tmp_path, monkeypatch):
    """The loss of what was held out falls, by the vector alone."""
    monkeypatch.setattr(adapt, "EVERY", 4)
    waves = [vowels(190 + 10 * i, 3.0) for i in range(4)]
    for i, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{i}.wav", wave, audio.RATE)
    data = cut_recordings("me", sorted(tmp_path.iterdir()), Skipped())
    model = voice_model("decoder.conditioning=continuous", "+decoder.adapted=1")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    voice = model.make_voice(waves, "me")
    fitted, (first, last) = fit_voice(model, voice, data, steps=16)
    assert last < first and not np.allclose(fitted.vector, voice.vector, atol=1e-3)
    assert fitted.vector.shape == voice.vector.shape and fitted.exemplars is voice.exemplars
    assert all(torch.equal(value.nan_to_num(), before[key].nan_to_num()) for key, value in model.state_dict().items())
    again, _ = fit_voice(model, voice, data, steps=16)
    assert np.array_equal(again.vector, fitted.vector), "the same seed, the same voice"
    assert np.isfinite(model.convert(waves[0], fitted)).all()
    with pytest.raises(ConfigError, match="not live"):
        fit_voice(trained("librispeech_world"), voice, data)


@pytest.mark.parametrize("name", ["librispeech_world", "mini_wavenet", "librispeech_wavenet"])
def test_a_new_voice_is_learned_and_nothing_else_changes(name, own, monkeypatch):
    monkeypatch.setattr(adapt, "EVERY", 10)
    model = trained(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = adapt_voice(model, cut_recordings("me", sorted(own.rglob("*.wav")), Skipped()), steps=40)
    first, vector, biases = found.losses
    assert biases < vector < first, "each stage hears what it learns from"
    assert found.steps <= 40 and found.train_seconds + found.dev_seconds == pytest.approx(13, abs=0.2)
    assert found.dev_seconds > 1.5 and found.start_voice in model.speakers
    made = found.model
    assert made.speakers == ["high", "low", "me"] and made.fingerprint() == model.fingerprint()
    assert made.pitch[2, 0].exp() == pytest.approx(160, rel=0.05)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) or key == "pitch", "the given model is as it was"
        corner = made.state_dict()[key][tuple(slice(size) for size in value.shape)]
        assert torch.equal(corner.nan_to_num(), value.nan_to_num()), key
    for voice in model.speakers:
        np.testing.assert_allclose(told(made, voice), told(model, voice), atol=1e-5)
    assert not any(parameter.grad is not None for parameter in made.parameters())


def test_the_best_of_each_stage_is_kept(own, monkeypatch):
    monkeypatch.setattr(adapt, "EVERY", 2)
    monkeypatch.setattr(adapt, "PATIENCE", 2)
    # At first; when a stage begins, its looks, and when it has ended, twice.
    losses, seen = iter([5.0, 5.0, 4.0, 6.0, 6.0, 4.0, 4.0, 6.0, 3.0, 6.0, 6.0, 3.0]), []

    def look(self):
        learned = (self.model.decoder.speaker.weight, *self.model.decoder.voice_weights)
        seen.append([tensor.clone() for tensor in learned])
        return next(losses)

    monkeypatch.setattr(adapt._Adaptation, "held_out_loss", look)
    found = adapt_voice(trained("librispeech_world"), cut_recordings("me", sorted(own.rglob("*.wav")), Skipped()))
    assert found.losses == [5, 4, 3] and found.steps == 2 * 3 + 2 * 4, "stopped early"
    for ended, best, last in ((5, 2, 4), (11, 8, 10)):
        assert all(torch.equal(*pair) for pair in zip(seen[ended], seen[best], strict=True))
        assert not all(torch.equal(*pair) for pair in zip(seen[ended], seen[last], strict=True))


def test_same_seed_same_voice(own):
    data = cut_recordings("me", sorted(own.rglob("*.wav")), Skipped())
    runs = [adapt_voice(trained("librispeech_world"), data, steps=8, seed=seed).model for seed in (1, 1, 2)]
    one, same, other = (run.decoder.speaker.weight[-1] for run in runs)
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_front_end_that_warps_does_so_here_too(own):
    data = cut_recordings("me", sorted(own.rglob("*.wav")), Skipped())
    models = [small_model(overrides=[f"frontend.warp={warp}"]) for warp in (0.0, 0.3)]
    still, warped = (adapt_voice(model, data, steps=4) for model in models)
    assert still.losses[0] == warped.losses[0], "what is held out is not warped"
    assert not torch.equal(still.model.decoder.speaker.weight[-1], warped.model.decoder.speaker.weight[-1])
    assert not any(module.training for module in warped.model.modules())


def test_parts(own):
    data = cut_recordings("me", sorted(own.rglob("*.wav")), Skipped())
    spans = [(one.path.rsplit("/", 1)[1], one.start, one.end) for one in data]
    assert spans[0] == ("a b.wav", 0, 1.5) and spans[1] == ("a b.wav", 1.5, None)
    assert all((one.end or 99) - one.start <= 13 / 6 + 0.01 or one.end is None for one in data)
    assert [one.id for one in data] == sorted(one.id for one in data)
    with pytest.raises(AudioError, match="1 recordings of 8.0 s in all are too short.*at least 10 s"):
        cut_recordings("me", [own / "one.wav"], Skipped())
    with pytest.raises(SpeakerError, match="without blanks"):
        cut_recordings("it is me", [own / "one.wav"], Skipped())


def test_command(own, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trained("librispeech_world").save_pretrained("base.safetensors", step=5)
    command = ["adapt", "--model", "base.safetensors", "--src", str(own), "--out", "out.safetensors", "--steps", "10"]
    assert main([*command, "--name", "me", "--gender", "f"]) == 0
    said = capsys.readouterr()
    assert said.out == "out.safetensors\n" and "held-out loss" in said.err and "x real time" in said.err
    base, made = (VQVAE.from_pretrained(f"{name}.safetensors") for name in ("base", "out"))
    assert made.fingerprint() == base.fingerprint() and made.genders == {"me": "f"}
    about = checkpoint.read("out.safetensors", "none.")[1]
    assert about["step"] == 5 and [one["name"] for one in about["adapted"]] == ["me"]
    assert main(["convert", "--model", "out.safetensors", "--src", str(own / "more/c.wav"), "--speaker", "me", "--out",
                 "c.wav"]) == 0  # fmt: skip
    # In place, and with a file that is none.
    (own / "broken.wav").write_bytes(b"x")
    again = [part.replace("base", "out") for part in command]
    assert main([*again, "--name", "you"]) == SOME_SKIPPED
    about = checkpoint.read("out.safetensors", "none.")[1]
    assert [one["name"] for one in about["adapted"]] == ["me", "you"] and about["speakers"][-2:] == ["me", "you"]


def test_mistakes(own, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trained("librispeech_world").save_pretrained("base.safetensors")
    (tmp_path / "empty").mkdir()
    soundfile.write("silence.wav", np.zeros(20 * audio.RATE), audio.RATE)
    for name, source, message in (
        ("low", str(own), "has a voice 'low' already; choose another --name"),
        ("me", "empty", "no sound files in this folder"),
        ("me", "gone", "gone: no such file"),
        ("me", "silence.wav", "silence.wav: silent"),
        ("me", str(own / "one.wav"), "too short to learn a voice from"),
    ):
        command = ["adapt", "--model", "base.safetensors", "--src", source, "--name", name, "--out", "x.safetensors"]
        assert main(command) == FAILED
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()
