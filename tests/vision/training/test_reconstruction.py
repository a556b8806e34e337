"""Models of images under the trainer: learning, exact resuming, the collapse numbers."""

import json

import pytest
import torch

from tests.training.resuming import check_resuming
from tests.vision.images import image_files
from vqspeech.conf.vision import load_config
from vqspeech.errors import ConfigError, ImageError
from vqspeech.training.trainer import Trainer
from vqspeech.vision.models import Autoencoder
from vqspeech.vision.training.reconstruction import ImageTask, shuffle_codes

TINY = [
    "network.channels=8", "network.blocks=1", "model.latents=2", "training.batch=4",
    "training.steps=8", "training.warmup=2", "training.evaluate_every=3", "training.evaluate_batches=2",
    "training.show_every=6", "training.precision=fp32",
]  # fmt: skip
KINDS = {
    "cifar10_vqvae_small": ["model.dimension=4", "quantizer.codes=16"],
    "cifar10_vae_small": [],
    "cifar10_vimco_small": ["model.dimension=4", "model.codes=16", "model.samples=3"],
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return image_files(folder / "train", 60), image_files(folder / "dev", 12, seed=1)


def trainer(name, sets, out, *overrides):
    return Trainer(ImageTask(load_config(name, [*TINY, *KINDS[name], *overrides]), *sets), out)


@pytest.mark.parametrize("name", list(KINDS))
def test_resuming_after_a_kill_gives_the_same_losses(name, sets, tmp_path, monkeypatch):
    check_resuming(lambda out: trainer(name, sets, out), tmp_path, monkeypatch)
    assert any((tmp_path / "whole" / "tensorboard").iterdir())
    assert Autoencoder.from_pretrained(tmp_path / "whole").shape == (3, 8, 8)
    assert Autoencoder.from_pretrained(tmp_path / "whole" / "last.safetensors").shape == (3, 8, 8)


@pytest.mark.parametrize("name", list(KINDS))
def test_learning(name, sets, tmp_path):
    steps = 200 if name == "cifar10_vqvae_small" else 60  # codes are ignored for a while at first
    longer = (f"training.steps={steps}", f"training.evaluate_every={steps // 2}", "training.lr=3e-3")
    larger = ("network.channels=16", "training.batch=16", "training.lr_end=3e-3")
    trainer(name, sets, tmp_path, "likelihood=categorical", *longer, *larger).train()
    first, last = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert last["bits"] < first["bits"] and last["bits"] < 7.5, "8 bits are what any image takes"
    if name == "cifar10_vqvae_small":
        assert last["shuffle_gap"] > 0.5, "shuffled codes must cost something: the decoder looks at them"
        assert 1 < last["perplexity"] <= last["used"] <= 16
    assert last["images_seen"] == steps * 16


def test_refusals(sets, tmp_path):
    train, _ = sets
    with pytest.raises(ImageError, match="prepare both together"):
        trainer("cifar10_vae_small", (train, image_files(tmp_path / "other", 4, size=4)), tmp_path)
    trainer("cifar10_vae_small", sets, tmp_path).train()
    with pytest.raises(ConfigError, match="another --out"):
        trainer("cifar10_vae_small", sets, tmp_path, "network.channels=10")


def test_shuffled_codes_are_the_same_ones():
    codes = torch.arange(60).view(3, 4, 5)
    one, two = shuffle_codes(codes), shuffle_codes(codes)
    assert torch.equal(one, two) and one.shape == codes.shape
    assert torch.equal(one.flatten().sort()[0], codes.flatten()) and not torch.equal(one, codes)
