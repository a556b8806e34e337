"""Priors over codes: sampling against the full forward pass, causality, scoring, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from vqspeech.conf import list_experiments, list_priors, load_config
from vqspeech.data.code_windows import CodeBatch
from vqspeech.data.units import Units
from vqspeech.errors import CheckpointError, ConfigError, SpeakerError, UnitsError
from vqspeech.models import checkpoint
from vqspeech.models.prior import NETWORKS, LatentPrior, latent

SIZE = 11
UNITS = {"rate_hz": 50.0, "codes": SIZE, "model": "exp/m/best.safetensors", "sha256": "5" * 64}
OPTIONS = {
    "wavenet": {"layers": 5, "cycle": 3, "residual": 6, "skip": 7, "dropout": 0.1},
    "transformer": {"layers": 3, "width": 8, "heads": 2, "window": 5, "dropout": 0.1},
}
KINDS = list(OPTIONS)


def prior(name, seed=0, speakers=("a", "b"), **options):
    """A small prior that hangs on its past: with the weights it starts with, all codes would be all but independent."""
    torch.manual_seed(seed)
    made = LatentPrior(
        {"prior": {"name": name, "condition_dropout": 0.5, **OPTIONS[name], **options}}, speakers, UNITS
    ).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    return made


def full(made, codes, speakers):
    with torch.no_grad():
        return made.logits(torch.as_tensor(codes), torch.as_tensor(speakers))


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(1, 24), st.integers(0, 5), st.sampled_from([0.7, 1.0]), st.integers(0, 99))
def test_cached_sampling_is_the_full_forward_pass(name, batch, steps, prompt, temperature, seed):
    made, voices = prior(name, seed), [None, "a", "b"][:batch]
    given_codes = np.random.default_rng(seed).integers(0, SIZE, prompt)
    found = made.sample(steps, voices, temperature=temperature, seed=seed, prompt=given_codes, progress=False)
    assert found.shape == (batch, prompt + steps) and (found[:, :prompt] == given_codes).all()
    logits = full(made, found, range(batch)).double().numpy()
    for lane in range(batch):
        uniforms = np.random.default_rng((seed, lane)).random(steps, dtype=np.float32)
        again = [
            reference.drawn(one, float(u), temperature) for one, u in zip(logits[lane, prompt:], uniforms, strict=True)
        ]
        assert again == found[lane, prompt:].tolist()


@pytest.mark.parametrize("name", KINDS)
def test_cached_logits_are_those_of_the_full_forward_pass(name):
    made = prior(name).double()
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, SIZE, (2, 40)))
    wanted = full(made, codes, [1, 2])
    before = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=SIZE)
    with torch.no_grad():
        if name == "transformer":
            from vqspeech.models.prior.transformer import Step

            step = Step(made.network, torch.tensor([1, 2]))
            found = torch.stack([step(column) for column in before.T], 1)
        else:
            from vqspeech.generate import compute_logits

            made = made.float()
            found = compute_logits(made.network.cell(), made.network.speaker(torch.tensor([1, 2]))[:, :, None], codes)
    tolerance = 1e-10 if name == "transformer" else 1e-5
    torch.testing.assert_close(found, wanted.to(found.dtype), atol=tolerance, rtol=tolerance)


def test_transformer_against_plain_attention():
    made = prior("transformer", layers=2, window=4).double()
    net, codes = made.network, np.random.default_rng(1).integers(0, SIZE, 9)
    state = {key: value.numpy() for key, value in net.state_dict().items()}

    def norm(x, name):
        x = x - x.mean()
        return x / np.sqrt((x**2).mean() + 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return state[f"{name}.weight"] @ x + state[f"{name}.bias"]

    x = [state["embedding.weight"][c] + state["speaker.weight"][1] for c in [SIZE, *codes[:-1]]]
    for layer in ("blocks.0", "blocks.1"):
        projected = [
            linear(norm(one, f"{layer}.before_attention"), f"{layer}.projection").reshape(3, 2, 4) for one in x
        ]
        after = []
        for t, one in enumerate(x):
            heads = []
            for head, slope in enumerate((2.0**-4, 2.0**-8)):
                places = range(max(0, t - 3), t + 1)
                scores = [projected[t][0, head] @ projected[s][1, head] / 2 - slope * (t - s) for s in places]
                weights = np.exp(scores - np.max(scores))
                heads.append(
                    sum(w * projected[s][2, head] for w, s in zip(weights, places, strict=True)) / weights.sum()
                )
            one = one + linear(np.concatenate(heads), f"{layer}.output")
            hidden = linear(norm(one, f"{layer}.before_network"), f"{layer}.network.0")
            hidden = torch.nn.functional.gelu(torch.from_numpy(hidden)).numpy()
            after.append(one + linear(hidden, f"{layer}.network.2"))
        x = after
    wanted = np.array([linear(norm(one, "norm"), "logits") for one in x])
    np.testing.assert_allclose(full(made, codes[None], [1])[0].numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_a_prediction_hangs_on_what_is_before_it_only(name):
    made = prior(name)
    vectors = made.network.embedding(torch.randint(0, SIZE, (1, 40))).detach().requires_grad_()
    made.network.embedding.forward = lambda input: vectors
    logits = made.network(torch.zeros(1, 40, dtype=torch.long), torch.tensor([1]))
    (gradient,) = torch.autograd.grad(logits[0, 30].square().sum(), vectors)
    touched = gradient[0].abs().sum(1).nonzero()[:, 0]
    # Position i of the embedding holds the code before i: the prediction of 30 may see positions up to 30.
    assert touched.max() == 30
    assert touched.min() == 30 - (made.network.receptive_field - 1)


@pytest.mark.parametrize("name", KINDS)
def test_seeds_and_lanes(name):
    made = prior(name)
    first = made.sample(30, ["a", None, "b"], seed=3, progress=False)
    made.sample(9, ["b"], seed=8, progress=False)
    assert (made.sample(30, ["a", None, "b"], seed=3, progress=False) == first).all()
    assert (made.sample(30, ["a", None, "b"], seed=4, progress=False) != first).any()
    assert (made.sample(30, ["a"], seed=3, progress=False) == first[:1]).all(), "lanes do not hang on each other"


@pytest.mark.parametrize("name", KINDS)
def test_bits_of_long_utterances_are_those_of_the_whole(name, monkeypatch):
    made = prior(name)
    codes = [np.random.default_rng(i).integers(0, SIZE, n) for i, n in enumerate((70, 1, 33))]
    whole = made.bits(codes, ["a", None, "b"])
    for one, bits, speaker in zip(codes, whole, (1, 0, 2), strict=True):
        nats = torch.nn.functional.cross_entropy(
            full(made, one[None], [speaker])[0], torch.from_numpy(one), reduction="none"
        )
        np.testing.assert_allclose(bits, nats.numpy() / np.log(2), atol=1e-5)
    monkeypatch.setattr(latent, "CHUNK", 7)
    monkeypatch.setattr(latent, "BATCH", 3)
    for one, again in zip(whole, made.bits(codes, ["a", None, "b"]), strict=True):
        np.testing.assert_allclose(again, one, atol=1e-4)


def test_a_fresh_prior_is_the_unigram():
    made = LatentPrior({"prior": {"name": "wavenet", "condition_dropout": 0.0, **OPTIONS["wavenet"]}}, [], UNITS).eval()
    made.fit(Units({"u": np.array([0] * 1000 + [3] * 3000)}, 50.0, SIZE, "m", "5" * 64))
    with torch.no_grad():
        made.network.logits.weight.zero_()
    p = full(made, np.zeros((1, 5), dtype=np.int64), [0]).softmax(2)
    assert p[0, :, 3].numpy() == pytest.approx(np.full(5, 3001 / 4011))


def test_the_voice_is_withheld_from_some_windows():
    made = prior("wavenet", condition_dropout=1.0)
    codes = torch.randint(0, SIZE, (4, 9))
    batch = CodeBatch(codes, codes.roll(1, 1), torch.tensor([9, 9, 4, 1]), torch.tensor([1, 2, 1, 0]))
    anonymous = CodeBatch(codes, codes.roll(1, 1), batch.lengths, torch.zeros(4, dtype=torch.long))
    with torch.no_grad():
        told, nobody = (float(made(one)[0]["nll"]) for one in (batch, anonymous))
    assert told != nobody
    for layer in made.network.layers:
        layer.dropout.p = 0.0
    assert made.train()(batch)[0]["nll"].item() == pytest.approx(nobody, rel=1e-6), (
        "the speaker of all of them is dropped"
    )
    made.condition_dropout = 0.0
    assert made.train()(batch)[0]["nll"].item() == pytest.approx(told, rel=1e-6), "none is"


def test_loss_is_over_valid_codes():
    made = prior("transformer")
    codes = torch.randint(0, SIZE, (2, 9))
    before = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=SIZE)
    lengths, speakers = torch.tensor([9, 4]), torch.tensor([1, 2])
    losses, _, mask = made(CodeBatch(codes, before, lengths, speakers))
    bits = made.bits([codes[0].numpy(), codes[1, :4].numpy()], ["a", "b"])
    assert losses["nll"].item() == pytest.approx(np.concatenate(bits).mean() * np.log(2), rel=1e-5)
    assert mask.sum(1).tolist() == [9, 4]


@pytest.mark.parametrize("name", KINDS)
def test_checkpoints_are_self_describing(name, tmp_path):
    made = prior(name)
    made.save_pretrained(tmp_path / "p.safetensors", step=3)
    again = LatentPrior.from_pretrained(tmp_path / "p.safetensors")
    assert (again.speakers, again.units, again.rate, again.size) == (["a", "b"], UNITS, 50.0, SIZE)
    assert (again.sample(9, ["a"], progress=False) == made.sample(9, ["a"], progress=False)).all()


def test_what_is_no_prior(tmp_path):
    checkpoint.write(tmp_path / "m.safetensors", {}, {"config": {"encoder": {}}, "speakers": []})
    with pytest.raises(CheckpointError, match="is no prior"):
        LatentPrior.from_pretrained(tmp_path / "m.safetensors")
    for config_, message in [
        ({"prior": {"name": "lstm", "condition_dropout": 0.1}}, "no prior 'lstm'; there are wavenet, transformer"),
        (
            {"prior": {"name": "wavenet", "condition_dropout": 0.1, "width": 3}},
            "prior.width: no such option; there are",
        ),
        ({"encoder": {}}, "no group prior"),
        ({"prior": {"name": "transformer", "condition_dropout": 0.1, "width": 9, "heads": 2}}, "not a multiple"),
    ]:
        with pytest.raises(ConfigError, match=message):
            LatentPrior(config_, [], UNITS)


@pytest.mark.parametrize(("key", "value"), [("sha256", "6" * 64), ("size", 12), ("rate", 25.0)])
def test_units_of_another_codebook_are_refused(key, value):
    fitting = {"codes": {"u": np.zeros(3, np.int64)}, "rate": 50.0, "size": SIZE, "model": "other", "sha256": "5" * 64}
    prior("wavenet").windows(Units(**fitting), 4, {})
    with pytest.raises(UnitsError, match="has other codes than the prior was trained on"):
        prior("wavenet").windows(Units(**{**fitting, key: value}), 4, {})


def test_unknown_voices_are_refused():
    with pytest.raises(SpeakerError, match="no voice 'c'; it has a, b"):
        prior("wavenet").sample(3, ["c"], progress=False)


def test_configurations():
    assert set(list_priors()) == {"prior", "mini_prior", "judge_prior"} and not set(list_priors()) & set(
        list_experiments()
    )
    for name in list_priors():
        for network in ("wavenet", "transformer", "wavenet_small", "transformer_small"):
            resolved = load_config(name, [f"prior={network}"])
            made = LatentPrior({"prior": resolved["prior"]}, ["a"], UNITS)
            assert isinstance(made.network, NETWORKS[network.split("_")[0]])
        default = LatentPrior({"prior": load_config(name)["prior"]}, ["a"], UNITS).network
        assert default.receptive_field <= load_config(name)["training"]["length"], "every tap of the network is trained"
