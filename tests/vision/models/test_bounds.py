"""Every bound held against what it bounds, on 2x2 binary pixels and codes of two, where all can be counted."""

import itertools
import math

import pytest
import torch
from torch import nn

from vqspeech.errors import ConfigError
from vqspeech.vision.metrics.evaluations import bounds
from vqspeech.vision.models import build_image_model
from vqspeech.vision.models import likelihood as levels
from vqspeech.vision.models.prior import ImagePrior
from vqspeech.vision.models.vae import VAE
from vqspeech.vision.models.vimco import VIMCO, draw_codes, surrogate_bound
from vqspeech.vision.models.vqvae import VQVAE

NETWORK = {"channels": 6, "halvings": 1, "blocks": 1}
LATENTS = 3


@pytest.fixture(autouse=True)
def binary(monkeypatch):
    monkeypatch.setattr(levels, "LEVELS", 2)


def every_image():
    return torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=torch.uint8).view(16, 1, 2, 2)


class Stretched(nn.Module):
    """Levels are 0 and 1 here: brought to where the encoder sees 0 and 255 otherwise."""

    def forward(self, x):
        return (x + 1) * 255 - 1


def tiny(name, likelihood="categorical", seed=0, shape=(1, 2, 2), **model):
    """A model with random weights, larger than at first, so that its latents matter."""
    torch.manual_seed(seed)
    groups = {
        "model": {"name": name, "latents": LATENTS, "dimension": 2} | model,
        "network": NETWORK,
        "likelihood": {"name": likelihood},
    }
    if name == "vqvae":
        groups["quantizer"] = {"name": "ema", "codes": 2}
    made = build_image_model(groups, shape).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        if isinstance(made, VQVAE):
            made.quantizer.weight.copy_(torch.randn(2, 2))
    made.encoder = nn.Sequential(Stretched(), made.encoder)  # pyright: ignore
    return made


def counted(model):
    """log p of all 16 images, by the definition: a loop over the 8 maps of codes and the pixels."""
    found = []
    for image in every_image():
        total = 0.0
        for codes in itertools.product(range(2), repeat=LATENTS):
            with torch.no_grad():
                outputs = model.decode_vectors(model.lookup(torch.tensor([codes])))[0]  # (2, 2, 2): levels, row, column
            odds = outputs.double().softmax(0)
            chance = 1 / 2**LATENTS
            for i, j in itertools.product(range(2), range(2)):
                chance *= float(odds[int(image[0, i, j]), i, j])
            total += chance
        found.append(math.log(total))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize(("name", "options"), [("vqvae", {}), ("vimco", {"codes": 2, "samples": 3})])
def test_enumeration_is_the_definition_and_sums_to_one(name, options):
    model = tiny(name, **options)
    exact = bounds.exact_log_likelihood(model, every_image())  # pyright: ignore
    torch.testing.assert_close(exact.double(), counted(model), atol=1e-5, rtol=1e-5)
    assert float(exact.double().exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("likelihood", ["categorical", "logistic"])
def test_one_term_of_the_sum_is_a_lower_bound(likelihood):
    for seed in range(4):
        model = tiny("vqvae", likelihood, seed)
        assert isinstance(model, VQVAE)
        images = every_image()
        exact, bound = bounds.exact_log_likelihood(model, images), model.bound(images)
        assert (bound < exact + 1e-5).all() and float((exact - bound).mean()) > 1e-3
        codes = model.encode(images)
        terms = model.log_likelihood(images, codes) - LATENTS * math.log(2)
        torch.testing.assert_close(bound, terms)
        # the terms of all codes make up the whole
        every = torch.tensor(list(itertools.product(range(2), repeat=LATENTS))).view(8, 1, LATENTS)
        terms = torch.stack([model.log_likelihood(images, one.expand(16, 1, LATENTS)) for one in every])
        torch.testing.assert_close(torch.logsumexp(terms, 0) - LATENTS * math.log(2), exact)


@pytest.mark.parametrize(("name", "options"), [("vqvae", {}), ("vimco", {"codes": 2, "samples": 3})])
def test_importance_sampling_comes_to_the_exact_value_from_below(name, options):
    model = tiny(name, **options)
    images = every_image()
    exact = bounds.exact_log_likelihood(model, images).double()  # pyright: ignore
    many = bounds.importance_log_likelihood(model, images, 500, even=0.5).double()  # pyright: ignore
    assert float((many - exact).abs().max()) < 0.1
    # By counting: under the proposal the mean weight is p(x), and the mean of its log is no more than log p(x).
    proposal = bounds.proposal_log_probs(model, images).double()  # pyright: ignore
    mean, mean_log = torch.zeros(16, dtype=torch.float64), torch.zeros(16, dtype=torch.float64)
    for codes in itertools.product(range(2), repeat=LATENTS):
        chance = torch.stack([proposal[:, place, code] for place, code in enumerate(codes)]).sum(0)
        terms = model.log_likelihood(images, torch.tensor(codes).expand(16, 1, LATENTS))  # pyright: ignore
        weight = terms.double() - LATENTS * math.log(2) - chance
        mean, mean_log = mean + (chance + weight).exp(), mean_log + chance.exp() * weight
    torch.testing.assert_close(mean.log(), exact, atol=1e-4, rtol=1e-4)
    assert (mean_log < exact).all()


def test_the_bound_with_a_learned_prior_against_the_definition():
    """Binary images of 2x4 have 16 maps of two places with two codes each: all of them and all 256 images are counted,
    the prior as a product of conditionals, code by code."""
    model = tiny("vqvae", shape=(1, 2, 4), latents=2)
    assert isinstance(model, VQVAE)
    prior = learned([2, 1, 2])
    maps = torch.tensor(list(itertools.product(range(2), repeat=4))).view(16, 1, 4)
    found = bounds.log_prior(prior, maps)
    torch.testing.assert_close(found, torch.tensor([slow_log_prior(prior, one) for one in maps], dtype=torch.float64))
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-6) and float(found.std()) > 0.3, "far from uniform"

    images = torch.tensor(list(itertools.product((0, 1), repeat=8)), dtype=torch.uint8).view(256, 1, 2, 4)
    terms = torch.stack([model.log_likelihood(images, one.expand(256, 1, 4)).double() for one in maps])
    exact = torch.logsumexp(terms + found[:, None], 0)
    assert float(exact.exp().sum()) == pytest.approx(1, abs=1e-5)
    codes = model.encode(images)
    one_term = model.log_likelihood(images, codes) + bounds.log_prior(prior, codes)
    assert (one_term < exact + 1e-6).all() and len(codes.flatten(1).unique(dim=0)) > 4
    # It is that term of the sum, and differs from the bound with the uniform prior by the prior alone.
    places = (codes.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1)
    torch.testing.assert_close(one_term, (terms + found[:, None]).gather(0, places[None])[0])
    torch.testing.assert_close(
        one_term - model.bound(images), bounds.log_prior(prior, codes) + 4 * math.log(2), atol=1e-5, rtol=0
    )


def learned(shape) -> ImagePrior:
    """A prior over codes of two, far from the uniform one."""
    torch.manual_seed(5)
    sizes = {"layers": 1, "width": 4, "window": 3, "hidden": 6, "condition_dropout": 0.1, "dropout": 0.1}
    made = ImagePrior({"prior": sizes}, ["a", "b"], {"codes": 2, "shape": shape, "model": "m", "sha256": "0"}).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return made


def slow_log_prior(prior, codes) -> float:
    """log p of one map `(height, width * latents)`: code after code by rows, columns, latents, each by the softmax of a
    pass that has been shown neither it nor those after it."""
    latents, height, width = prior.network.shape
    grid, total = torch.zeros(1, latents, height, width, dtype=torch.long), 0.0
    for row, column, latent in itertools.product(range(height), range(width), range(latents)):
        with torch.no_grad():
            logits = prior.network(grid, torch.tensor([0]))[0, :, latent, row, column].double()
        code = int(codes[row, column * latents + latent])
        total += float(logits[code]) - math.log(float(logits.exp().sum()))
        grid[0, latent, row, column] = code
    return total


def test_too_many_maps_are_not_counted():
    groups = {
        "model": {"name": "vqvae", "latents": 5, "dimension": 2},
        "network": NETWORK,
        "likelihood": {"name": "categorical"},
        "quantizer": {"name": "ema", "codes": 16},
    }
    model = build_image_model(groups, (1, 2, 2))
    with pytest.raises(ConfigError, match="too many maps"):
        bounds.exact_log_likelihood(model, every_image())  # pyright: ignore


def test_the_vae_is_bounded_by_the_integral():
    """log p(x) by a grid over three latents; it sums to one over all images."""
    model = tiny("vae", dimension=1)
    assert isinstance(model, VAE)
    images, axis = every_image(), torch.linspace(-5, 5, 41, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis)
    weight = torch.exp(-0.5 * grid.square().sum(1)) * (axis[1] - axis[0]) ** 3 / (2 * math.pi) ** 1.5
    with torch.no_grad():
        odds = model.decode_vectors(grid.float()[:, None]).double().softmax(1)  # (points, levels, 2, 2)
    chances = torch.stack(
        [odds.gather(1, one.long().expand(len(grid), 1, 2, 2)).flatten(1).prod(1) @ weight for one in images]
    )
    assert float(chances.sum()) == pytest.approx(1, abs=1e-3)
    torch.manual_seed(0)
    draws = torch.stack([model.bound(images) for _ in range(400)]).double()
    error = draws.std(0) / 20
    assert (draws.mean(0) < chances.log() + 4 * error).all()
    assert float((chances.log() - draws.mean(0)).mean()) > 0.01


def test_divergence_against_its_definition():
    model = tiny("vae", dimension=1)
    assert isinstance(model, VAE)
    mean, spread = torch.tensor([[[0.5, -1.0]]]), torch.tensor([[[0.3, -0.7]]])
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * spread).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(model.divergence(mean, spread), theirs.flatten(1).sum(1))


# VIMCO


def expected(model, images, samples):
    """The expectation of the bound over all draws of `samples` maps of codes, with the exact gradient."""
    posterior = model.posterior(images)
    maps = torch.tensor(list(itertools.product(range(2), repeat=LATENTS)))[:, None].expand(-1, len(images), -1)
    weights, log_q = model.log_weights(images, posterior, maps)  # (8, images) each
    total = torch.zeros(len(images), dtype=weights.dtype)
    for choice in itertools.product(range(len(maps)), repeat=samples):
        picked = list(choice)
        bound = torch.logsumexp(weights[picked], 0) - math.log(samples)
        total = total + log_q[picked].sum(0).exp() * bound
    return total


def test_vimco_bounds_rise_with_samples_and_stay_below():
    model = tiny("vimco", codes=2, samples=3)
    assert isinstance(model, VIMCO)
    images = every_image()
    with torch.no_grad():
        means = [expected(model, images, samples) for samples in (1, 2, 3)]
        exact = bounds.exact_log_likelihood(model, images)
        assert all((a < b + 1e-6).all() for a, b in itertools.pairwise([*means, exact]))
        torch.manual_seed(0)
        draws = torch.stack([model.bound(images) for _ in range(200)])
    assert float((draws.mean(0) - means[2]).abs().max()) < 5 * float(draws.std(0).max()) / math.sqrt(200)


@pytest.mark.parametrize("samples", [2, 3])
def test_the_gradient_of_vimco_is_unbiased(samples):
    """Averaged over all draws by their chances it is the gradient of the expected bound, for every parameter."""
    model = tiny("vimco", codes=2, samples=samples)
    assert isinstance(model, VIMCO)
    images = every_image()[[0, 6, 11]]
    parameters = list(model.parameters())
    wanted = torch.autograd.grad(expected(model, images, samples).sum(), parameters)
    posterior = model.posterior(images)
    maps = torch.tensor(list(itertools.product(range(2), repeat=LATENTS)))[:, None].expand(-1, len(images), -1)
    weights, log_q = model.log_weights(images, posterior, maps)
    total = torch.zeros(())
    for choice in itertools.product(range(len(maps)), repeat=samples):
        picked = list(choice)
        chance = log_q[picked].sum(0).exp().detach()
        total = total + (chance * surrogate_bound(weights[picked], log_q[picked])).sum()
    found = torch.autograd.grad(total, parameters)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=5e-5, rtol=1e-3)
    assert max(float(one.abs().max()) for one in wanted[:4]) > 1e-3, "the encoder has a gradient"


def test_the_surrogate_has_the_value_of_the_bound():
    weights, log_q = torch.randn(4, 3), torch.randn(4, 3)
    torch.testing.assert_close(surrogate_bound(weights, log_q), torch.logsumexp(weights, 0) - math.log(4))


def test_reconstructions_are_decoded_from_codes_drawn_of_the_posterior(monkeypatch):
    model = tiny("vimco", codes=2, samples=2)
    assert isinstance(model, VIMCO)
    images = every_image()[6:7].expand(8000, -1, -1, -1)
    monkeypatch.setattr(model, "decode", lambda codes: codes)
    codes = model.reconstruct(images)
    assert codes.shape == (8000, 1, LATENTS) and torch.equal(codes, model.reconstruct(images)), "the same at every call"
    with torch.no_grad():
        posterior = model.posterior(images[:1])[0]  # (time, codes)
    for one in itertools.product(range(2), repeat=LATENTS):
        chance = math.exp(sum(float(posterior[place, code]) for place, code in enumerate(one)))
        share = (codes[:, 0] == torch.tensor(one)).all(1).double().mean()
        assert float(share) == pytest.approx(chance, abs=0.03)


def test_draws_follow_the_posterior():
    posterior = torch.log_softmax(torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)), 2)
    torch.manual_seed(0)
    codes = draw_codes(posterior, 20000)
    assert codes.shape == (20000, 2, 3)
    shares = torch.stack([(codes == k).double().mean(0) for k in range(4)], 2)
    assert float((shares - posterior.exp()).abs().max()) < 0.02
