"""Priors over codes of images, and the second VQ-VAE, under the trainer: learning, exact resuming, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.training.resuming import check_resuming
from tests.vision.code_maps import SIZE, image_codes, moving
from vqspeech.conf.vision import load_config
from vqspeech.errors import ConfigError, ImageError, UnitsError
from vqspeech.training.trainer import Trainer
from vqspeech.vision.metrics.measures.unigram import unigram_bits
from vqspeech.vision.models.prior import ImagePrior
from vqspeech.vision.training.prior import ImagePriorTask
from vqspeech.vision.training.top import NONE, OTHERS, OWN, TopTask, measure_bits

TINY = [
    "training.batch=4", "training.steps=8", "training.warmup=2", "training.evaluate_every=3", "prior.layers=2",
    "training.evaluate_batches=2", "training.precision=fp32", "prior.width=10", "prior.hidden=16",
]  # fmt: skip
TOP = ["top.dimension=4", "top.channels=8", "quantizer.codes=16"]


def trainer(conf, out, train, dev, *overrides):
    task = TopTask if "top" in conf else ImagePriorTask
    resolved = load_config(conf, [*TINY, *(TOP if "top" in conf else []), *overrides])
    return Trainer(task(resolved, train, dev), out)


@pytest.mark.parametrize("conf", ["small_prior", "small_top_prior"])
def test_resuming_after_a_kill_gives_the_same_losses(conf, tmp_path, monkeypatch):
    data = [image_codes(tmp_path / str(i), moving(12, seed=i)) for i in range(2)]
    check_resuming(lambda out: trainer(conf, out, *data), tmp_path, monkeypatch)


def test_it_learns_more_than_where_codes_are_and_what_classes_are(tmp_path):
    train, dev = (image_codes(tmp_path / str(i), moving(n, seed=i)) for i, n in enumerate((200, 40)))
    longer = ("training.steps=150", "training.evaluate_every=75", "training.batch=16", "training.evaluate_batches=3")
    trainer("small_prior", tmp_path / "exp", train, dev, *longer, "training.lr=1e-2", "prior.dropout=0").train()
    prior, held = ImagePrior.from_pretrained(tmp_path / "exp"), np.asarray(dev.codes)
    right, nobody = dev.table.labels + 1, np.zeros(40, np.int64)
    told, untold, wrong = (prior.bits(held, classes).mean() for classes in (right, nobody, 3 - right))
    assert told < unigram_bits(held, np.asarray(train.codes), SIZE, 16.0).mean() - 0.5
    assert told < untold - 0.03 and told < wrong - 0.3
    curves = [json.loads(line) for line in (tmp_path / "exp" / "curves.jsonl").read_text().splitlines()]
    assert curves[-1]["bits"] == pytest.approx(prior.bits(held, right).mean(), rel=1e-4)
    assert curves[-1]["gap"] == pytest.approx(curves[-1]["bits"] - curves[-1]["train_bits"])


def test_latents_tell_the_decoder_what_it_cannot_see(tmp_path):
    def maps(n, seed):
        """Of one code all over, among a third of codes drawn at random: 2.6 bits of the whole that all places share."""
        random = np.random.default_rng(seed)
        noise = random.integers(0, SIZE, (n, 8, 8))
        return np.where(random.random((n, 8, 8)) < 0.4, noise, random.integers(0, SIZE, (n, 1, 1)))

    train, dev = (image_codes(tmp_path / str(i), maps(n, i)) for i, n in enumerate((300, 60)))
    longer = ("training.steps=150", "training.evaluate_every=75", "training.batch=16", "training.lr=1e-2")
    made = trainer("small_top_prior", tmp_path / "exp", train, dev, *longer, "prior.layers=1")
    made.train()
    assert isinstance(made.task, TopTask)
    bits, counts = measure_bits(made.task.model, made.task.dev_batches.even(60), 20)
    means = {name: float(one.mean()) for name, one in bits.items()}
    assert means[OWN] < means[NONE] - 2 and means[OWN] < means[OTHERS] - 4 and (counts > 0).sum() > 2, means


def test_what_does_not_belong_together_is_refused(tmp_path):
    codes = image_codes(tmp_path, moving(8))
    other, strange = replace(codes, sha256="6" * 64), replace(codes, classes=["c", "d"])
    for conf in ("small_prior", "small_top_prior"):
        with pytest.raises(UnitsError, match="other codes than the prior was trained on"):
            trainer(conf, tmp_path / "exp", codes, other)
    with pytest.raises(ImageError, match="classes differ"):
        trainer("small_prior", tmp_path / "exp", codes, strange)
    with pytest.raises(ConfigError, match="codes train one of frames_small_prior, imagenet_small_prior, prior"):
        ImagePriorTask(load_config("cifar10_vqvae"), codes, codes)
    with pytest.raises(ConfigError, match="has no group top"):
        TopTask(load_config("small_prior"), codes, codes)
