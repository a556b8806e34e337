import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.models.live.small import CONFIG, live_model, speech
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.commands.models import describe_checkpoint
from vqspeech.errors import CheckpointError, ConfigError, SpeakerError
from vqspeech.models.coder import Coder
from vqspeech.models.live import BLOCK
from vqspeech.models.live.model import Live
from vqspeech.models.voice import add_recorded_voices
from vqspeech.models.vqvae import VQVAE


@pytest.fixture(scope="module")
def model() -> Live:
    return live_model()


@pytest.fixture(scope="module")
def whole(model: Live) -> np.ndarray:
    return model.convert(speech(), "a")


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=12))
def test_however_a_stream_is_cut_it_is_what_the_file_is(model: Live, whole: np.ndarray, sizes: list[int]):
    sound, stream, parts, start = speech(), model.stream("a"), [], 0
    for size in [*sizes, len(speech())]:
        parts.append(stream.push(sound[start : start + size]))
        start += size
        came, went = min(start, len(sound)), sum(map(len, parts))
        assert went <= came and came - went <= model.latency
    made = np.concatenate([*parts, stream.flush()])
    assert made.shape == sound.shape and made == pytest.approx(whole, abs=1e-4)


def test_encoder_of_a_stream_is_that_of_the_whole(model: Live):
    features = torch.randn(2, 160, 50)
    with torch.inference_mode():
        latents = model.encoder(features)[0]
        state, parts = torch.zeros(2, *model.encoder.state_shape), []
        for part in features.split([1, 3, 20, 1, 25], 2):
            made, state = model.encoder(part, state)
            parts.append(made)
    assert torch.allclose(torch.cat(parts, 2), latents, atol=1e-5)


@pytest.mark.parametrize("at", [16_000, 16_000 + BLOCK // 2, 16_000 + BLOCK - 1])
def test_a_click_is_heard_no_sooner_and_no_later_than_said(model: Live, at: int):
    """A changed sample changes nothing that is out of reach by the latency, and something soon after."""
    sound = np.tile(speech(), 3)[: 3 * 16_000]
    clicked = sound.copy()
    clicked[at] += 0.5
    apart = np.flatnonzero(np.abs(model.convert(clicked, "a") - model.convert(sound, "a")) > 1e-6)
    assert at - model.latency <= apart[0] <= at + BLOCK
    assert model.latency <= 0.1 * audio.RATE


def test_latency_is_reached_somewhere(model: Live):
    """The bound is not a guess: from the last sample of a block on it is exact."""
    sound = np.tile(speech(), 3)[: 3 * 16_000]
    stream, most, came, went = model.stream("a"), 0, 0, 0
    for start in range(0, len(sound), 37):
        part = sound[start : start + 37]
        came += len(part)
        went += len(stream.push(part))
        most = max(most, came - went)
    assert model.latency - 37 <= most < model.latency


def test_what_comes_later_changes_nothing_that_has_gone_out(model: Live):
    sound = np.tile(speech(), 2)
    cut = 20_000
    first, second = model.stream("a"), model.stream("a")
    before = first.push(sound[:cut])
    assert np.array_equal(before, second.push(sound[:cut]))
    assert not np.array_equal(first.push(sound[cut:]), second.push(-sound[cut:]))


def test_after_the_end_a_stream_begins_anew(model: Live, whole: np.ndarray):
    stream = model.stream("a")
    for _ in range(2):
        assert np.concatenate([stream.push(speech()), stream.flush()]) == pytest.approx(whole, abs=1e-6)
    assert len(stream.flush()) == 0


def test_a_long_stream_is_the_same(model: Live, whole: np.ndarray):
    stream = model.stream("a", long=True)
    assert np.concatenate([stream.push(speech()), stream.flush()]) == pytest.approx(whole, abs=1e-4)


def test_memory_is_that_of_a_state(model: Live):
    stream = model.stream("a")

    def size() -> int:
        return sum(one.numel() for one in stream._seen + stream._tracked + stream._spoken) + stream._waiting.size

    stream.push(speech()[: 10 * BLOCK])
    before = size()
    stream.push(np.tile(speech(), 5)[: 200 * BLOCK])
    assert size() == before


def test_voices_differ_and_melody_follows_them(model: Live):
    sound = speech()
    assert not np.allclose(model.convert(sound, "a"), model.convert(sound, "b"), atol=1e-3)
    assert not np.allclose(model.convert(sound, "a"), model.convert(sound, "a", shift=5.0), atol=1e-3)
    assert not np.allclose(model.convert(sound, "a"), model.convert(sound, "a", formant=1.2), atol=1e-3)
    voice = model.make_voice([np.tile(sound, 2)], "me")
    made = model.convert_many([sound, sound[:5000]], [voice, "a"])
    assert [len(one) for one in made] == [len(sound), 5000] and np.isfinite(made[0]).all()
    with pytest.raises(SpeakerError, match="no voice"):
        model.stream("nobody")


def test_a_file_holds_all_of_it(model: Live, whole: np.ndarray, tmp_path):
    model.save_pretrained(tmp_path / "live.safetensors")
    loaded = VQVAE.from_pretrained(tmp_path / "live.safetensors")
    assert isinstance(loaded, Live) and loaded.fingerprint() == model.fingerprint()
    assert loaded.convert(speech(), "a") == pytest.approx(whole, abs=1e-5)


def test_there_are_no_codes(model: Live, small_shards, tmp_path):
    with pytest.raises(ConfigError, match="no codes"):
        model.encode(speech())
    with pytest.raises(ConfigError, match="no codes"):
        model.decode([1, 2], "a")
    model.save_pretrained(tmp_path / "live.safetensors")
    with pytest.raises(CheckpointError, match="no codes"):
        Coder.from_pretrained(tmp_path / "live.safetensors")
    with pytest.raises(ConfigError, match="voice make"):
        model.windows(small_shards, 1.0)


def test_voices_of_recordings_get_names(model: Live):
    voice = model.make_voice([np.tile(speech(), 2)], "me")
    named = add_recorded_voices(model, [voice])
    assert isinstance(named, Live) and named.speakers == ["a", "b", "me"]
    assert named.convert(speech(), "me") == pytest.approx(model.convert(speech(), voice), abs=1e-5)


def test_it_is_described(model: Live, tmp_path, capsys):
    path = str(tmp_path / "live.safetensors")
    model.save_pretrained(path)
    assert main(["info", "--model", path]) == 0
    assert "90.0 ms" in capsys.readouterr().out
    assert main(["speakers", "--model", path]) == 0
    assert "300" in capsys.readouterr().out
    assert main(["export", "--model", path, "--int8", "--out", str(tmp_path / "small.safetensors")]) == 0
    assert "latency: 90 ms" in (tmp_path / "small.md").read_text()
    assert describe_checkpoint(tmp_path / "small.safetensors")[:4] == ("live", "50", "-", "2")


@pytest.mark.parametrize("wrong", [{"causal": False}, {"conditioning": "codes"}, {"name": "world"}])
def test_a_decoder_that_cannot_stream_is_refused(wrong: dict):
    decoder = {**CONFIG["decoder"], **wrong}
    if wrong.get("name"):
        decoder = wrong
    with pytest.raises(ConfigError, match="causal"):
        Live({**CONFIG, "decoder": decoder}, [])


def test_blocks_over_codes_are_refused():
    with pytest.raises(ConfigError, match="code_dilations"):
        Live({**CONFIG, "decoder": {**CONFIG["decoder"], "code_dilations": [1]}}, [])


def test_every_block_has_its_share(model: Live):
    """Left padding of zeros is what a stream begins with."""
    features = torch.randn(1, 160, 9)
    with torch.inference_mode():
        alone = model.encoder(features)[0]
        padded = model.encoder(F.pad(features, (0, 5)))[0][:, :, :9]
    assert torch.allclose(alone, padded, atol=1e-5)
