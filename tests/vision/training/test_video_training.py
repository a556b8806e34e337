"""Training a prior over video: it learns what is done, goes on as if it had not been stopped, and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.resuming import check_resuming
from tests.vision.episodes import codes_of
from vqspeech.conf.vision import list_video_priors, load_config
from vqspeech.errors import ConfigError, ImageError, UnitsError
from vqspeech.training.trainer import Trainer
from vqspeech.vision.models.video import VideoPrior
from vqspeech.vision.training.video import VideoTask

SMALL = [
    "video.past=16", "video.heads=2", "video.layers=2", "video.width=16", "video.hidden=16", "video.dilations=[1]",
    "video.window=3",
    "training.batch=4", "training.length=4", "training.given=1", "training.precision=fp32", "training.warmup=1",
    "training.evaluate_batches=2",
]  # fmt: skip


def obedient(episodes, seed, frames=12):
    """Of the codes of a frame, one tells what was done just before, none of the others anything: they are 0."""
    codes = codes_of([frames] * episodes, size=8, seed=seed, numbers=np.arange(episodes))
    maps = np.zeros_like(codes.codes)
    assert codes.table.actions is not None
    maps[1:, 1, 1] = 1 + codes.table.actions[:-1]
    return replace(codes, codes=maps)


def task(overrides=(), train=None, dev=None):
    settings = load_config("mini_video_prior", [*SMALL, *overrides])
    return VideoTask(settings, train or obedient(40, 0), dev or obedient(8, 1))


def test_it_learns_what_is_done(tmp_path):
    settings = ["training.steps=200", "training.lr=3e-3", "training.warmup=20", "training.evaluate_every=200"]
    Trainer(task(settings), tmp_path).train()
    figures = json.loads((tmp_path / "curves.jsonl").read_text().splitlines()[-1])
    # One code of six is not certain without its action: a bit, so 1/6 of a bit a code.
    assert figures["bits"] < 0.06 and figures["action_gap"] > 0.2
    prior, held = VideoPrior.from_pretrained(tmp_path), obedient(8, 2)
    batch = prior.clips(held, 6).even(8)
    blind = prior.bits(batch.codes, batch.actions * 0)[:, 2:].mean()
    assert 0.12 < blind < 0.35, "not told, it is uncertain by a bit"
    for action in (1, 2):
        done = torch.full((8, 5), action)
        imagined = prior.sample(batch.codes[:, :2], done, progress=False)
        assert (imagined[:, :, 1, 1] == action).float().mean() > 0.9
        assert (imagined[:, :, 0] == 0).float().mean() > 0.9


def test_resuming_after_a_kill_gives_the_same_losses(tmp_path, monkeypatch):
    both = ["training.steps=4", "training.evaluate_every=2"]
    check_resuming(lambda out: Trainer(task(both), out), tmp_path, monkeypatch, killed_at=3, saved_at=2)


def shown(episodes, seed, model):
    """Codes that the model can decode."""
    codes = obedient(episodes, seed)
    return replace(codes, codes=np.resize(codes.codes, (len(codes), *model.code_shape)), sha256=model.fingerprint())


def test_frames_are_shown(tmp_path):
    from tests.vision.worlds import small_model

    model = small_model()
    train = shown(8, 0, model)
    settings = load_config("mini_video_prior", [*SMALL, "training.steps=2", "training.show_every=2"])
    made = VideoTask(settings, train, shown(4, 1, model), model)
    Trainer(made, tmp_path).train()
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"imagined, then reconstructed" in events and b"GIF89a" in events
    with pytest.raises(UnitsError, match="not those of the model to show them by"):
        VideoTask(settings, replace(train, sha256="6" * 64), obedient(4, 1), model)


def test_refusals():
    with pytest.raises(ImageError, match="has 12 frames, but a clip takes 13; record longer"):
        task(["training.length=13"])
    with pytest.raises(UnitsError, match="has other codes than the prior was trained on .sha256"):
        task(dev=replace(obedient(8, 1), sha256="6" * 64))
    with pytest.raises(ImageError, match="actions left are unknown; those known are forward"):
        task(dev=obedient(8, 1), train=replace(obedient(8, 0), actions=["forward", "forward"]))
    with pytest.raises(ConfigError, match="training.given=4; it is less than training.length=4"):
        task(["training.given=4"])
    with pytest.raises(ConfigError, match="of no prior over video"):
        VideoTask(load_config("frames"), obedient(4, 0), obedient(4, 1))


def test_configurations():
    assert set(list_video_priors()) == {"video_prior", "mini_video_prior"}
    codes = {"codes": 512, "shape": [1, 21, 21], "model": "m", "sha256": "5" * 64}
    for name in ("video_prior", "mini_video_prior"):
        settings = load_config(name)
        with torch.device("meta"):
            made = VideoPrior({"video": settings["video"]}, ["forward"], codes)
        assert settings["training"]["given"] <= made.network.reach <= settings["training"]["length"] + 8
    for network in ("transformer", "transformer_small", "pixelcnn"):
        with torch.device("meta"):
            VideoPrior({"video": load_config("mini_video_prior", [f"video={network}"])["video"]}, ["forward"], codes)
