"""The prior over codes of images: scoring, sampling, what it refuses."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.vision.code_maps import SIZE, image_codes
from vqspeech.conf.vision import list_experiments, list_priors, load_config
from vqspeech.errors import CheckpointError, ConfigError, ImageError, UnitsError
from vqspeech.models import checkpoint
from vqspeech.vision.data.code_batches import CodeBatch, to_grids, to_maps
from vqspeech.vision.models import prior as module
from vqspeech.vision.models.prior import ImagePrior, describe_codes, require_same_codes
from vqspeech.vision.models.top import TopVQVAE

CODES = {"codes": SIZE, "shape": [2, 3, 4], "model": "exp/m", "sha256": "5" * 64}
SMALL = {"layers": 2, "width": 6, "window": 3, "hidden": 9, "dropout": 0.1, "hidden_codes": 0.0}


def prior(classes=("a", "b"), seed=0, codes=CODES, condition_dropout=0.5, **options):
    torch.manual_seed(seed)
    made = ImagePrior({"prior": {**SMALL, "condition_dropout": condition_dropout, **options}}, classes, codes).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.4)
    return made


def test_latents_of_a_place_stand_side_by_side():
    kept = np.random.default_rng(0).integers(0, SIZE, (2, 3, 8), np.uint16)
    found = to_grids(kept, 2)
    assert found.shape == (2, 2, 3, 4) and (to_maps(found) == kept).all()
    for n, c, i, j in np.ndindex(*found.shape):
        assert found[n, c, i, j] == kept[n, i, j * 2 + c]


def test_bits_are_those_of_the_network_whatever_is_scored_beside(monkeypatch):
    made, kept = prior(), np.random.default_rng(0).integers(0, SIZE, (5, 3, 8))
    classes = np.array([0, 1, 2, 1, 0])
    with torch.no_grad():
        logs = made.network(to_grids(kept, 2), torch.from_numpy(classes)).log_softmax(1).numpy()
    found = made.bits(kept, classes)
    for n, i, j, c in np.ndindex(5, 3, 4, 2):
        assert found[n, i, j * 2 + c] == pytest.approx(-logs[n, kept[n, i, j * 2 + c], c, i, j] / np.log(2), rel=1e-5)
    monkeypatch.setattr(module, "BATCH", 2)
    np.testing.assert_allclose(made.bits(kept, classes), found, rtol=1e-5)


def test_a_seed_gives_the_same_samples_whatever_is_drawn_beside(monkeypatch):
    made = prior()
    first = made.sample(["a", None, "b"], seed=3, progress=False)
    assert first.shape == (3, 3, 8) and first.min() >= 0 and first.max() < SIZE
    monkeypatch.setattr(module, "BATCH", 2)
    assert (made.sample(["a", None, "b"], seed=3, progress=False) == first).all()
    assert (made.sample(["a"], seed=3, progress=False) == first[:1]).all()
    assert (made.sample(["a", None, "b"], seed=4, progress=False) != first).any()
    again = made.sample(["a", None, "b"], seed=5, given=first[:, :2], progress=False)
    assert (again[:, :2] == first[:, :2]).all() and (again[:, 2] != first[:, 2]).any()


def test_a_fresh_prior_is_the_unigram_of_each_latent(tmp_path):
    kept = np.zeros((10, 3, 8), np.int64)
    kept[:, :, 1::2] = 3  # the second latent
    made = prior()
    made.fit(image_codes(tmp_path, kept, latents=2))
    with torch.no_grad():
        made.network.logits.weight.zero_()
        p = made.network(to_grids(kept, 2)[:1], torch.tensor([0])).softmax(1)[0]
    assert p[0, 0].numpy() == pytest.approx(np.full((3, 4), 121 / 126))
    assert p[3, 1].numpy() == pytest.approx(np.full((3, 4), 121 / 126))


def test_the_class_is_withheld_from_some_images():
    made, codes = prior(dropout=0.0), torch.randint(0, SIZE, (4, 2, 3, 4))
    batch, nobody = (CodeBatch(codes, torch.tensor(some)) for some in ([1, 2, 1, 0], [0] * 4))
    with torch.no_grad():
        told, untold = (float(made(one)[0]["nll"]) for one in (batch, nobody))
    assert told != untold
    made.condition_dropout = 1.0
    assert made.train()(batch)[0]["nll"].item() == pytest.approx(untold, rel=1e-5), "all of them are condition_dropout"
    made.condition_dropout = 0.0
    assert made.train()(batch)[0]["nll"].item() == pytest.approx(told, rel=1e-5), "none is"


def test_checkpoints_are_self_describing(tmp_path):
    made = prior()
    made.save_pretrained(tmp_path / "best.safetensors", step=3)
    again = ImagePrior.from_pretrained(tmp_path)
    assert (again.classes, again.codes, again.size) == (["a", "b"], CODES, SIZE)
    assert (again.sample(["a"], progress=False) == made.sample(["a"], progress=False)).all()


def test_what_is_no_prior(tmp_path):
    checkpoint.write(tmp_path / "m.safetensors", {}, {"config": {"model": {}}, "shape": [3, 8, 8]})
    for kind, message in ((ImagePrior, "is no prior over codes of images"), (TopVQVAE, "is no VQ-VAE over codes")):
        with pytest.raises(CheckpointError, match=message):
            kind.from_pretrained(tmp_path / "m.safetensors")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"heads": 3}, "prior.heads: no such option"),
        ({"layers": "many"}, "prior.layers=many: give a whole number from 1 to 1,000"),
    ]
    for options, message in cases:
        with pytest.raises(ConfigError, match=message):
            prior(**options)
    with pytest.raises(ConfigError, match="no class 'c'; it has a, b"):
        prior().sample(["c"], progress=False)


@pytest.mark.parametrize(("key", "value"), [("codes", 7), ("shape", [1, 3, 4]), ("sha256", "6" * 64)])
def test_codes_of_another_model_are_refused(key, value):
    require_same_codes(CODES, CODES, "it")
    with pytest.raises(UnitsError, match=f"it has other codes than the prior was trained on \\({key}"):
        require_same_codes({**CODES, key: value}, CODES, "it")


def test_batches_refuse_other_codes_and_classes(tmp_path):
    codes = image_codes(tmp_path, np.zeros((4, 3, 8), np.int64), latents=2)
    made = prior(codes=describe_codes(codes))
    assert made.batches(codes).select(np.array([0, 1])).classes.tolist() == [1, 2]
    with pytest.raises(UnitsError, match="other codes"):
        made.batches(replace(codes, sha256="6" * 64))
    with pytest.raises(ImageError, match="classes differ"):
        made.batches(replace(codes, classes=["b", "a"]))


def test_configurations():
    images = {"prior", "small_prior", "frames_small_prior", "imagenet_small_prior"}
    assert set(list_priors()) == images | {"top_prior", "top_prior_ema", "small_top_prior"}
    assert not set(list_priors()) & set(list_experiments())
    for name in list_priors():
        resolved, codes = load_config(name, ["prior.layers=2", "prior.width=8"]), {**CODES, "shape": [1, 21, 21]}
        if "top" in resolved:
            top = TopVQVAE(resolved, codes)
            assert (top.encoder.latents, top.size) == (3, 512), "27 bits"
        else:
            ImagePrior(resolved, ["a"], codes)
