"""Which weights decay, what is summed over processes when, and what is forgotten of codes that are put elsewhere."""

import pytest
import torch
from torch import nn

from tests.training.test_trainer import KINDS, trainer
from vqspeech.conf import load_config, vision
from vqspeech.models.prior import LatentPrior
from vqspeech.models.quantize import make_quantizer
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.fitting import fit_quantizer
from vqspeech.training.optimizer import (
    export_optimizer_state,
    group_parameters,
    load_optimizer_state,
    reset_moved_codes,
)
from vqspeech.vision.models.video import VideoPrior


def kept_of(model):
    """Names of the parameters that do not decay, after looking that each is in one group."""
    groups = group_parameters(model, 0.3)
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    names = {id(one): name for name, one in model.named_parameters() if one.requires_grad}
    decayed, kept = ([names[id(one)] for one in group["params"]] for group in groups)
    assert sorted(decayed + kept) == sorted(names.values()) and not set(decayed) & set(kept)
    return kept


def test_biases_norms_embeddings_codebooks_and_places_do_not_decay():
    speech = VQVAE(load_config("vctk", KINDS["vctk"]), ["a", "b"])
    options = load_config("prior", ["prior=transformer_small", "prior.width=8", "prior.layers=1", "prior.heads=2"])
    prior = LatentPrior(options, ["a"], {"rate_hz": 50, "codes": 8})
    codes = {"codes": 5, "shape": [1, 3, 4], "model": "m", "sha256": "0"}
    video = VideoPrior(vision.load_config("video_prior", ["video=pixelcnn_small"]), ["a"], codes)
    for model, kept, decayed in (
        (
            speech,
            {"quantizer.weight", "decoder.speaker.weight", "decoder.embedding.weight"},
            "encoder.projection.weight",
        ),
        (prior, {"network.embedding.weight", "network.speaker.weight", "network.norm.weight"}, "network.logits.weight"),
        (video, {"network.places", "network.motion.shifts", "network.told.weight"}, "network.skip.weight"),
    ):
        found = set(kept_of(model))
        assert kept <= found and decayed not in found
        biases = {name for name, _ in model.named_parameters() if name.endswith("bias")}
        assert biases and biases <= found
    norms = {name for name, _ in prior.named_parameters() if ".before_" in name}
    assert norms and norms <= set(kept_of(prior))


def test_what_is_frozen_is_in_no_group():
    model = VQVAE(load_config("vctk", KINDS["vctk"]), ["a", "b"])
    model.freeze_encoder()
    assert not any(name.startswith(("encoder.", "quantizer.")) for name in kept_of(model))


def test_decay_pulls_on_weights_alone(small_shards, tmp_path):
    run = trainer("librispeech_world", small_shards, tmp_path, "training.weight_decay=1.0", "training.steps=1")
    before = {name: one.detach().clone() for name, one in run.model.named_parameters()}
    for group in run.optimizer.param_groups:
        group["lr"] = 0.5
    for parameter in run.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    run.optimizer.step()
    after = dict(run.model.named_parameters())
    torch.testing.assert_close(after["encoder.projection.weight"], before["encoder.projection.weight"] / 2)
    for name in ("encoder.projection.bias", "decoder.speaker.weight"):
        assert torch.equal(after[name], before[name])


def test_the_state_is_kept_by_the_name_of_its_parameter(tmp_path):
    def learned(steps, state=None):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LayerNorm(2))
        optimizer = torch.optim.AdamW(group_parameters(model, 0.1), lr=0.1)
        if state:
            load_optimizer_state(model, optimizer, state[1])
            model.load_state_dict(state[0])
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.arange(5)).square().sum().backward()
            optimizer.step()
        return model.state_dict(), export_optimizer_state(model, optimizer)

    whole, half = learned(4), learned(2)
    assert "training.1.weight.exp_avg" in half[1] and "training.0.weight.step" in half[1]
    for a, b in zip(whole, learned(2, half), strict=True):
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", ["gradient", "nsvq"])
def test_moments_of_revived_codes_are_forgotten(name):
    torch.manual_seed(0)
    book = make_quantizer(name, 4, 2, revive_below=0.5).train()
    optimizer = torch.optim.Adam(book.parameters(), lr=0.1)
    z, mask = torch.randn(1, 2, 60), torch.ones(1, 60, dtype=torch.bool)

    def step(forget=True):
        optimizer.zero_grad()
        found = book(z, mask)
        (found.vectors.square().mean() + sum(found.losses.values())).backward()
        if forget:
            reset_moved_codes(book, optimizer)
        optimizer.step()

    for _ in range(5):
        step()
    weight = book.weight
    moments = optimizer.state[weight]["exp_avg"], optimizer.state[weight]["exp_avg_sq"]
    assert all((one.abs() > 0).all() for one in moments)
    book.counts[2] = 0.0
    before = weight.detach().clone()
    step()
    assert all((one[2] == 0).all() and (one[[0, 1, 3]].abs() > 0).all() for one in moments)
    assert not torch.equal(weight.detach()[2], before[2])
    assert (weight.detach()[2] == z[0].T).all(1).any(), "it lies on the vector that it was put on, not beside it"


def test_codebooks_that_are_fitted_alone_forget_too(monkeypatch):
    asked = []
    forget = reset_moved_codes
    monkeypatch.setattr("vqspeech.training.fitting.reset_moved_codes", lambda *some: (asked.append(1), forget(*some)))
    fit_quantizer(make_quantizer("gradient", 4, 2), torch.randn(200, 2), 7, 50)
    assert len(asked) == 7


def test_gradients_are_summed_over_processes_once_an_update(small_shards, tmp_path, monkeypatch):
    run = trainer("librispeech_world", small_shards, tmp_path, "training.accumulate=3", "training.steps=2")
    parts, forward = [], run.model.forward
    held: list[bool] = []

    class Held:
        def __enter__(self):
            held.append(True)

        def __exit__(self, *_):
            held.pop()

    monkeypatch.setattr(run.accelerator, "no_sync", lambda model: Held())
    monkeypatch.setattr(run.accelerator, "backward", lambda loss: (parts.append(bool(held)), loss.backward()))
    monkeypatch.setattr(run.model, "forward", lambda batch: (parts.append(bool(held)), forward(batch))[1])
    run.train()
    assert parts[:12] == [True, True, True, True, False, False] * 2, "forward and backward of all parts but the last"
