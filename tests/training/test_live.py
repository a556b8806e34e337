import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.test_voices import some_pack
from vqspeech.errors import CheckpointError, ConfigError, ShardError
from vqspeech.models.decoders import SourceFilter
from vqspeech.models.live import BLOCK
from vqspeech.models.live.encoder import LiveEncoder
from vqspeech.models.live.frontend import FRAMES, MELS, LiveFrontend
from vqspeech.training.live import (
    EncoderTraining,
    LiveOptions,
    copy_non_causal_weights,
    fit_clusters,
    join_live,
)
from vqspeech.training.live_features import compute_pack_features, encode_pack_live
from vqspeech.training.tracker import TrackerTraining, measure_pitch_errors
from vqspeech.training.voices import VoiceOptions, VoiceTraining

OPTIONS = LiveOptions(batch=4, seconds=0.64, rate=1e-2, log_every=0.0, save_every=0.0)
ENCODER = {"latents": 6, "channels": 12, "dilations": [1]}
TRACKER = {"channels": 12, "dilations": [1]}


def latents_of(pack) -> np.ndarray:
    """Latents that the sound tells: how loud low and high bands are."""
    frames = pack.samples.reshape(-1, BLOCK).astype(np.float64)
    spectra = np.log(np.abs(np.fft.rfft(frames))[:, 1:61].reshape(len(frames), 6, 10).mean(2) + 100)
    rows = (spectra - spectra.mean(0)) / spectra.std(0)
    return np.stack([rows, rows + 0.01]).astype(np.float16)


@pytest.fixture(scope="module")
def pack():
    return some_pack()


def encoder_training(pack, options: LiveOptions = OPTIONS) -> EncoderTraining:
    latents = latents_of(pack)
    return EncoderTraining(pack, latents, fit_clusters(latents, 5), LiveFrontend(), ENCODER, options)


def test_features_of_a_pack_are_those_of_streams(pack):
    frontend = LiveFrontend()
    found = compute_pack_features(frontend, pack)
    state = torch.zeros(1, sum(frontend.sizes))
    i = 3
    blocks = np.pad(pack.wave(i), (0, -int(pack.lengths[i]) % BLOCK)).reshape(-1, 1, BLOCK)
    for k, block in enumerate(torch.from_numpy(blocks)):
        wanted, *_, state = frontend(block, state)
        row = found[int(pack.starts[i]) // BLOCK + k].float()
        assert torch.allclose(row, wanted[0, :, 0], atol=0.02, rtol=2e-3)
    assert found.shape == (len(pack.samples) // BLOCK, FRAMES * MELS)


def test_the_encoder_learns_what_it_is_shown_and_goes_on(pack, tmp_path: Path):
    training = encoder_training(pack)
    before, lines = training.evaluate(), []
    training.run(0.04, tmp_path / "encoder.safetensors", lines.append)
    after = training.evaluate()
    assert after["unexplained"] < before["unexplained"] - 0.1
    assert any("unexplained" in line for line in lines)
    again = encoder_training(pack)
    again.load(tmp_path / "encoder.safetensors")
    assert again.step == training.step and again.evaluate() == pytest.approx(after, abs=1e-4)
    other = TrackerTraining(pack, TRACKER, OPTIONS)
    with pytest.raises(CheckpointError, match="another part"):
        other.load(tmp_path / "encoder.safetensors")


@pytest.mark.parametrize("minutes", [0.0, -0.1])
def test_a_budget_that_is_spent_is_refused_and_does_not_train_for_ever(pack, tmp_path: Path, minutes):
    with pytest.raises(ConfigError, match=r"encoder: .* minutes are left to train; give more"):
        encoder_training(pack).run(minutes, tmp_path / "encoder")


def test_targets_lie_where_the_latents_are(pack):
    """An encoder is asked for the latent of the block `delay` before; those of other voices have half the say."""
    training = encoder_training(pack)
    first = int(pack.starts[2]) // BLOCK
    found = training.read_target(2, 3, 8).numpy()
    assert found == pytest.approx(training.latents[:, first + 3 : first + 8].astype(np.float32).mean(0), abs=2e-3)


def test_latents_of_a_pack_are_moved_to_their_place(pack):
    encoder = LiveEncoder(**ENCODER).eval()
    features = torch.randn(len(pack.samples) // BLOCK, FRAMES * MELS).half()
    found = encode_pack_live(encoder, pack, features)[0]
    first, count = int(pack.starts[1]) // BLOCK, int(pack.lengths[1]) // BLOCK
    with torch.inference_mode():
        whole = encoder(features[first : first + count].float().T[None])[0][0].T
    assert torch.allclose(found[first : first + count - 2].float(), whole[2:], atol=2e-3)


def test_clusters_are_means():
    generator = np.random.default_rng(0)
    centres = generator.normal(0, 5, (4, 3))
    rows = centres[generator.integers(0, 4, 4000)] + generator.normal(0, 0.1, (4000, 3))
    rows[::10] = 0  # no speech
    found = fit_clusters(rows.astype(np.float16)[None], 30).numpy()
    apart = np.linalg.norm(found[:, None] - centres, axis=2)
    assert apart.min(1).max() < 0.5 and (apart.min(0) < 0.3).all()


def test_the_tracker_learns_the_pitch(pack, tmp_path: Path):
    training = TrackerTraining(pack, TRACKER, OPTIONS)
    torch.manual_seed(0)
    losses = []
    for _ in range(20):
        loss = training.compute_losses().sum()
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert set(training.evaluate()) == {"voicing error", "gross error", "cents"}


def test_pitch_errors():
    wanted = np.log([100.0, 100.0, 100.0, 200.0]) * [1, 1, 0, 1]
    found = np.log([101.0, 200.0, 100.0, 100.0]) * [1, 1, 1, 0]
    errors = measure_pitch_errors(found, wanted)
    assert errors["voicing error"] == 0.5 and errors["gross error"] == 0.5
    assert errors["cents"] == pytest.approx(1200 * math.log2(1.01))


def test_a_pack_of_nothing_long_enough_is_refused(pack):
    with pytest.raises(ShardError, match="smaller window"):
        TrackerTraining(pack, TRACKER, LiveOptions(seconds=100.0))


def test_a_causal_decoder_begins_as_one_that_is_not():
    """The same where the other saw nothing of what comes, and strong channels alone within."""
    torch.manual_seed(0)
    options = {"channels": 8, "bands": 12, "voice": 6, "frame_dilations": (1, 2, 1)}
    other = SourceFilter(4, 320, 1, **options, expansion=3)
    torch.nn.init.normal_(other.output.weight)
    with torch.no_grad():
        for block in other.blocks:
            block.depthwise.weight[:, :, 4:] = 0
            block.expand.weight[16:] = 0
            block.expand.bias[16:] = 0
    own = SourceFilter(4, 320, 1, **{**options, "frame_dilations": (1, 2, 1)}, expansion=2, causal=True)
    copy_non_causal_weights(own, other.state_dict(), (0, 1, 2))
    latents, pitch, voice = torch.randn(1, 4, 40), torch.full((1, 80), 5.0), torch.randn(1, 6)
    with torch.inference_mode():
        found, wanted = own.envelopes(latents, pitch, voice), other.envelopes(latents, pitch, voice)
    for one, two in zip(found, wanted, strict=True):
        # The edges differ: either sees zeros beyond, but not the same.
        assert torch.allclose(one[..., 30:-30], two[..., 30:-30], atol=1e-4)


def test_parts_join_to_a_model_that_streams(pack, tmp_path: Path):
    paths = [tmp_path / f"{name}.safetensors" for name in ("encoder", "tracker", "decoder")]
    encoder_training(pack).save(paths[0])
    TrackerTraining(pack, TRACKER, OPTIONS).save(paths[1])
    options = VoiceOptions(batch=2, seconds=0.32, reference_seconds=0.4)
    decoder = {"channels": 8, "bands": 12, "voice": 6, "conditioning": "continuous", "causal": True}
    latents = torch.from_numpy(latents_of(pack))
    VoiceTraining(pack, latents, BLOCK, {"content": "live"}, {**decoder, "frame_dilations": [1]}, options).save(
        paths[2]
    )
    model = join_live(*paths)
    voice = model.make_voice([np.tile(pack.wave(0), 4)])
    assert len(model.convert(pack.wave(4), voice)) == pack.lengths[4]
    model.save_pretrained(tmp_path / "live.safetensors", torch.int8)
    with pytest.raises(CheckpointError, match="another kind"):
        join_live(paths[1], paths[0], paths[2])
