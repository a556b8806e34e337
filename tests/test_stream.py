import numpy as np
import pytest
import torch

from tests.models.live.small import live_model, speech
from vqspeech import audio
from vqspeech.errors import AudioError, CheckpointError, ConfigError, SpeakerError, WaveformError
from vqspeech.models.live.model import Live
from vqspeech.stream import Converter, load_live_model


@pytest.fixture(scope="module")
def model() -> Live:
    return live_model()


def streamed(converter: Converter, sound: np.ndarray, size: int) -> np.ndarray:
    parts = [converter.push(sound[start : start + size]) for start in range(0, len(sound), size)]
    return np.concatenate([*parts, converter.flush()])


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_other_rates_go_in_and_come_out(model: Live, rate: int):
    """As long as what went in, and the same however it is cut."""
    import soxr

    sound = soxr.resample(speech(), audio.RATE, rate)
    converter = Converter("a", model, rate)
    whole, cut = streamed(converter, sound, len(sound)), streamed(converter, sound, 777)
    assert whole.shape == sound.shape and cut == pytest.approx(whole, abs=1e-4)
    plain = soxr.resample(model.convert(speech(), "a"), audio.RATE, rate)[: len(sound)]
    inner = slice(rate // 10, -rate // 10)
    assert np.corrcoef(whole[inner], plain[inner])[0, 1] > 0.99, "at the same place"


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (np.full(400, np.nan, np.float32), "NaN"),
        (np.zeros((400, 2), np.float32), "one channel"),
        (np.zeros((1, 400), np.float32), "one channel"),
        (np.full(400, 3e4, np.float32), "integers"),
        (np.array(["a"]), "type"),
        (np.float32(0.5), "one channel"),
    ],
)
def test_a_chunk_that_is_no_waveform_is_named_and_costs_nothing(model: Live, chunk, said: str):
    converter, sound = Converter("a", model), speech()
    first = converter.push(sound[:9000])
    with pytest.raises(WaveformError, match=said):
        converter.push(chunk)
    rest = np.concatenate([converter.push(sound[9000:]), converter.flush()])
    assert np.concatenate([first, rest]) == pytest.approx(model.convert(sound, "a"), abs=1e-5)


def test_chunks_of_nothing_integers_and_tensors(model: Live):
    converter, sound = Converter("a", model), (speech() * 32_767).astype(np.int16)
    assert len(converter.push([])) == 0 and len(converter.flush()) == 0
    whole = np.concatenate([converter.push(sound), converter.flush()])
    tensor = np.concatenate([converter.push(torch.from_numpy(sound.astype(np.float32) / 32_768)), converter.flush()])
    assert whole == pytest.approx(tensor, abs=1e-5)


def test_voices(model: Live, tmp_path, monkeypatch):
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path))
    audio.write(tmp_path / "b.wav", np.tile(speech(), 2))
    voice = model.make_voice([audio.read_waveform(tmp_path / "b.wav")], "me")
    voice.save(tmp_path / "me.safetensors")
    sound = speech()[:8000]
    made = [
        streamed(Converter(given, model), sound, 1000)
        for given in (voice, "me", str(tmp_path / "b.wav"), tmp_path / "b.wav", [tmp_path / "b.wav"])
    ]
    for one in made[1:]:
        assert one == pytest.approx(made[0], abs=1e-5)
    with pytest.raises(SpeakerError):
        Converter("nobody", model)
    with pytest.raises(SpeakerError):
        Converter([], model)
    with pytest.raises(AudioError):
        Converter(tmp_path / "none.wav", model)
    with pytest.raises(WaveformError, match="rate"):
        Converter("a", model, 12)


def test_a_voice_of_another_model_is_refused(model: Live):
    voice = live_model(seed=1).make_voice([np.tile(speech(), 2)], "me")
    with pytest.raises(SpeakerError, match="another model"):
        Converter(voice, model)


def test_a_model_that_cannot_stream_is_refused():
    with pytest.raises(ConfigError, match="streams"):
        load_live_model("world")


def test_latency_is_said(model: Live):
    assert Converter("a", model).latency == model.latency / audio.RATE <= 0.1


def test_without_a_live_model_it_is_said_how_to_get_one(monkeypatch):
    monkeypatch.setattr("vqspeech.pretrained.list_models", dict)
    with pytest.raises(CheckpointError, match=r"no live model comes with .*tools/gpu/run\.sh live"):
        Converter("b.wav")
