"""Priors over video: sampling against the full pass, causality, actions, scoring, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from tests.vision.episodes import codes_of
from vqspeech.errors import CheckpointError, ConfigError, ImageError, UnitsError
from vqspeech.models import checkpoint
from vqspeech.vision.data.clips import ClipBatch
from vqspeech.vision.models.prior import describe_codes
from vqspeech.vision.models.video import NETWORKS, VideoPrior

SIZE, SHAPE, ACTIONS = 7, (3, 4), ["forward", "left", "right"]
CODES = {"codes": SIZE, "model": "exp/m", "sha256": "5" * 64, "shape": [1, *SHAPE]}
OPTIONS = {
    "pixelcnn": {"dilations": [1, 2], "past": 6, "layers": 2, "width": 6, "window": 3, "hidden": 8, "dropout": 0.1},
    "transformer": {"layers": 2, "frame_layers": 2, "width": 8, "heads": 2, "window": 3, "dropout": 0.1},
}
KINDS = list(OPTIONS)


def prior(name, seed=0, actions=ACTIONS, condition_dropout=0.5, **options):
    """A small prior that hangs on its past: with the weights it starts with, all codes would be all but independent."""
    torch.manual_seed(seed)
    made = VideoPrior(
        {"video": {"name": name, "condition_dropout": condition_dropout, **OPTIONS[name], **options}}, actions, CODES
    ).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.4)
    return made


def clips(lanes, frames, seed=0, actions=3):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, SIZE, (lanes, frames, *SHAPE))
    return torch.from_numpy(codes), torch.from_numpy(draw.integers(0, actions + 1, (lanes, frames)))


def full(made, codes, actions):
    with torch.no_grad():
        return made.network(codes, actions)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=5, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([0.7, 1.0]),
    st.integers(0, 99),
)
def test_cached_sampling_is_the_full_pass(name, lanes, frames, past, acting, temperature, seed):
    made = prior(name, seed, ACTIONS if acting else [])
    before, actions = clips(lanes, past + frames, seed, len(made.actions))
    found = made.sample(before[:, :past], actions[:, :-1], temperature=temperature, seed=seed, progress=False)
    assert found.shape == (lanes, frames, *SHAPE)
    whole = torch.cat([before[:, :past], found], 1)
    logits = full(made, whole, actions)[:, :, past:].double().numpy()  # (lanes, size, frames, height, width)
    for lane in range(lanes):
        uniforms = np.random.default_rng((seed, lane)).random((frames, *SHAPE), dtype=np.float32)
        for place in np.ndindex(frames, *SHAPE):
            again = reference.drawn(logits[(lane, slice(None), *place)], float(uniforms[place]), temperature)
            assert again == found[(lane, *place)]


@pytest.mark.parametrize("name", KINDS)
def test_the_past_frame_by_frame_is_the_full_pass(name):
    made = prior(name).double()
    codes, actions = clips(2, 9)
    with torch.no_grad():
        wanted = made.network(codes, actions)
        for frame in range(9):
            _, condition = made.network.prime(codes[:, :frame], actions[:, :frame])
            found = made.network.logits(codes[:, frame], condition)
            torch.testing.assert_close(found, wanted[:, :, frame], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_a_prediction_hangs_on_what_is_before_it_only(name):
    # Every place of the clip has a code of its own, every frame an action of its own: the gradient of a code's vector
    # tells whether the place counts, that of an action's whether the frame's does.
    frames, row, column, at = 8, 1, 2, 6
    count = frames * SHAPE[0] * SHAPE[1]
    torch.manual_seed(0)
    config = {"video": {"name": name, "condition_dropout": 0.0, **OPTIONS[name]}}
    made = VideoPrior(config, [str(i) for i in range(frames)], {**CODES, "codes": count}).eval().double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.4)
    codes, actions = torch.arange(count).view(1, frames, *SHAPE), torch.arange(1, frames + 1)[None]
    made.network(codes, actions)[0, :, at, row, column].square().sum().backward()
    tables = {key: one.weight.grad for key, one in made.named_modules() if isinstance(one, torch.nn.Embedding)}
    of_codes = torch.stack(
        [one.abs().sum(1)[:count] for one in tables.values() if one is not None and len(one) == count + 1]
    ).sum(0)
    touched = of_codes.view(frames, *SHAPE) != 0
    of_actions = torch.stack(
        [one.abs().sum(1) for one in tables.values() if one is not None and len(one) == frames + 1]
    ).sum(0)
    acted = of_actions[1:] != 0
    first = max(0, at - made.network.reach)
    assert made.network.reach < at, "the clip is longer than what counts"
    assert touched[first:at].any(2).any(1).all() and not touched[:first].any() and not touched[at + 1 :].any()
    assert touched[at - 1].all(), "all of the frame before"
    assert (touched[at].flatten() == (torch.arange(SHAPE[0] * SHAPE[1]) < row * SHAPE[1] + column)).all()
    assert acted[first:at].all() and not acted[:first].any() and not acted[at:].any()


@pytest.mark.parametrize("name", KINDS)
def test_seeds_lanes_and_actions(name):
    made = prior(name)
    codes, actions = clips(3, 8)
    first = made.sample(codes[:, :3], actions[:, :-1], seed=3, progress=False)
    assert (made.sample(codes[:, :3], actions[:, :-1], seed=3, progress=False) == first).all()
    assert (made.sample(codes[:, :3], actions[:, :-1], seed=4, progress=False) != first).any()
    alone = made.sample(codes[:1, :3], actions[:1, :-1], seed=3, progress=False)
    assert (alone == first[:1]).all(), "lanes do not hang on each other"
    other = actions.clone()
    other[:, 5] = (other[:, 5] + 1) % (1 + len(ACTIONS))
    acted = made.sample(codes[:, :3], other[:, :-1], seed=3, progress=False)
    assert (acted[:, :3] == first[:, :3]).all() and (acted[:, 3] != first[:, 3]).any(), "from the next frame on"


@pytest.mark.parametrize("name", KINDS)
def test_bits_are_those_of_the_full_pass(name):
    made = prior(name)
    codes, actions = clips(11, 4)
    found = made.bits(codes, actions)
    odds = full(made, codes, actions).double().log_softmax(1)
    for where in [(0, 0, 0, 0), (3, 2, 1, 3), (10, 3, 2, 0)]:
        lane, *place = where
        assert found[where] == pytest.approx(-float(odds[(lane, int(codes[where]), *place)]) / np.log(2), abs=1e-4)
    _, condition = made.network.prime(codes[:, :3], actions[:, :3])
    np.testing.assert_allclose(made.frame_bits(codes[:, 3], condition), found[:, 3], atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_frames_sum_to_one(name):
    """All sixteen frames of 2x2 places and two codes: what is drawn is a distribution."""
    torch.manual_seed(0)
    config = {"video": {"name": name, "condition_dropout": 0.0, **OPTIONS[name]}}
    made = VideoPrior(config, ACTIONS, {**CODES, "codes": 2, "shape": [1, 2, 2]}).eval().double()
    frames = torch.tensor(list(np.ndindex(2, 2, 2, 2))).view(16, 2, 2)
    before = torch.tensor([[[0, 1], [1, 1]]]).expand(16, 2, 2)
    bits = made.bits(torch.stack([before, frames], 1), torch.ones(16, 2, dtype=torch.long))[:, 1]
    assert (2.0 ** -bits.sum((1, 2))).sum() == pytest.approx(1, abs=1e-6)
    first = made.bits(frames[:, None], torch.ones(16, 1, dtype=torch.long))
    assert (2.0 ** -first.sum((1, 2, 3))).sum() == pytest.approx(1, abs=1e-6)


def test_what_was_done_is_withheld_from_some_clips():
    made = prior("pixelcnn", condition_dropout=1.0, dropout=0.0)
    codes, actions = clips(4, 3)
    with torch.no_grad():
        told, nothing = (float(made(ClipBatch(codes, one))[0]["nll"]) for one in (actions, actions * 0))
        assert told != nothing
        assert float(made.train()(ClipBatch(codes, actions))[0]["nll"]) == pytest.approx(nothing, rel=1e-6)
        made.condition_dropout = 0.0
        assert float(made.train()(ClipBatch(codes, actions))[0]["nll"]) == pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_checkpoints_are_self_describing(name, tmp_path):
    made = prior(name)
    made.save_pretrained(tmp_path / "best.safetensors", step=3)
    again = VideoPrior.from_pretrained(tmp_path)
    assert (again.actions, again.codes, again.shape) == (ACTIONS, CODES, SHAPE)
    codes, actions = clips(1, 5)
    assert (
        again.sample(codes[:, :2], actions, progress=False) == made.sample(codes[:, :2], actions, progress=False)
    ).all()


def test_what_is_no_prior(tmp_path):
    checkpoint.write(tmp_path / "m.safetensors", {}, {"config": {"prior": {}}, "actions": []})
    with pytest.raises(CheckpointError, match="is no prior over video"):
        VideoPrior.from_pretrained(tmp_path / "m.safetensors")
    for config_, message in [
        (
            {"video": {"name": "lstm", "condition_dropout": 0.1}},
            "no prior over video 'lstm'; there are pixelcnn, transformer",
        ),
        (
            {"video": {"name": "pixelcnn", "condition_dropout": 0.1, "depth": 3}},
            "video.depth: no such option; there are condition_dropout, dilations",
        ),
        ({"prior": {}}, "no group video"),
        ({"video": {"name": "transformer", "condition_dropout": 0.1, "width": 9, "heads": 2}}, "not a multiple"),
    ]:
        with pytest.raises(ConfigError, match=message):
            VideoPrior(config_, [], CODES)


def test_codes_of_another_codebook_or_size_are_refused():
    made = VideoPrior(
        {"video": {"name": "pixelcnn", "condition_dropout": 0.1, **OPTIONS["pixelcnn"]}},
        ["forward", "left"],
        describe_codes(codes_of([5])),
    )
    assert made.clips(codes_of([5]), 3).even(1).codes.shape == (1, 3, 2, 3)
    other = codes_of([5])
    for wrong, key in [
        (codes_of([5], sha256="6" * 64), "sha256"),
        (codes_of([5], size=65), "codes"),
        (replace(other, codes=other.codes[:, :, :2]), "shape"),
    ]:
        with pytest.raises(
            UnitsError, match=f"CODES has other codes than the prior was trained on .{key}.*use the model"
        ):
            made.clips(wrong, 3)


def test_unknown_actions_are_refused():
    made = prior("pixelcnn")
    assert [made.action_index(name) for name in (None, "forward", "right")] == [0, 1, 3]
    with pytest.raises(ImageError, match="no action 'jump'; it has forward, left, right"):
        made.action_index("jump")
    assert set(NETWORKS) == set(KINDS)
