import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.errors import ConfigError
from vqspeech.models.quantize import make_quantizer
from vqspeech.models.quantize.residual import ResidualCodebook, ResidualKmeans
from vqspeech.training.fitting import fit_quantizer, fit_stages


def stage(weight, name="gradient"):
    book = make_quantizer(name, *weight.shape)
    book.start(torch.as_tensor(weight, dtype=torch.float32))
    return book


def lloyd(vectors, codes, rounds=5):
    """Means of the cells of k-means, empty cells left where they are."""
    weight = vectors[:codes].copy()
    for _ in range(rounds):
        cells = ((vectors[:, None] - weight[None]) ** 2).sum(2).argmin(1)
        for k in np.unique(cells):
            weight[k] = vectors[cells == k].mean(0)
    return weight


def test_one_stage_is_the_plain_codebook():
    torch.manual_seed(0)
    z, mask = torch.randn(2, 3, 9, requires_grad=True), torch.ones(2, 9, dtype=torch.bool)
    book = stage(torch.randn(5, 3))
    plain, whole = book.eval()(z, mask), ResidualCodebook([book]).eval()(z, mask)
    assert torch.equal(whole.vectors, plain.vectors) and torch.equal(whole.codes[:, :, 0], plain.codes)
    assert whole.losses == plain.losses and torch.equal(whole.usage, plain.usage)
    vectors = torch.randn(20, 3)
    one = fit_quantizer(stage(torch.ones(5, 3).cumsum(0)), vectors, 4, 8)
    assert torch.equal(fit_stages([stage(torch.ones(5, 3).cumsum(0))], vectors, 4, 8).stages[0].weight, one.weight)


def test_each_stage_takes_the_nearest_to_what_is_left():
    generator = np.random.default_rng(0)
    weights, vectors = generator.normal(size=(3, 4, 2)), generator.normal(size=(30, 2))
    book = ResidualCodebook([stage(weight) for weight in weights])
    for vector, codes in zip(vectors, book.nearest(torch.as_tensor(vectors)).tolist(), strict=True):
        rest = vector.copy()
        for weight, code in zip(weights, codes, strict=True):
            assert code == ((rest - weight) ** 2).sum(1).argmin()
            rest -= weight[code]
        again = book.sum_codes(torch.tensor([codes]))[0]
        np.testing.assert_allclose(vector - rest, again, atol=1e-5)
        np.testing.assert_allclose(book.lookup(torch.tensor([[codes]]))[0, :, 0].detach(), again, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_a_stage_of_k_means_never_adds_error_on_its_own_data(codes, dimension, seed):
    vectors = np.random.default_rng(seed).normal(size=(40, dimension))
    rest, errors, stages = torch.as_tensor(vectors, dtype=torch.float32), [], []
    for _ in range(4):
        stages.append(stage(lloyd(rest.numpy(), codes)))
        rest = ResidualCodebook(stages).residuals(torch.as_tensor(vectors))
        errors.append(float(rest.square().mean()))
    assert all(later <= earlier * (1 + 1e-5) for earlier, later in itertools.pairwise(errors))


@pytest.mark.parametrize("name", ["gradient", "nsvq", "ema"])
def test_in_training_the_gradient_counts_once(name):
    torch.manual_seed(0)
    book = ResidualCodebook([stage(torch.randn(4, 3), name) for _ in range(3)]).train()
    plain = stage(book.stages[0].weight.detach().clone(), name).train()
    z, mask = torch.randn(1, 3, 8, requires_grad=True), torch.ones(1, 8, dtype=torch.bool)
    wanted, found = [
        (torch.manual_seed(1), torch.autograd.grad(one(z, mask).vectors.sum(), z)[0])[1] for one in (plain, book)
    ]
    torch.testing.assert_close(found, wanted)


def test_in_training_every_stage_learns():
    torch.manual_seed(0)
    book = ResidualCodebook([stage(torch.randn(4, 3)) for _ in range(2)]).train()
    found = book(torch.randn(1, 3, 8), torch.ones(1, 8, dtype=torch.bool))
    assert found.codes.shape == (1, 8, 2) and found.usage.shape == (8,) and found.usage.sum() == 16
    torch.stack(list(found.losses.values())).sum().backward()
    assert all(one.weight.grad is not None and one.weight.grad.any() for one in book.stages)


def test_stages_are_fitted_in_turn_to_what_is_left():
    torch.manual_seed(0)
    vectors, shown = torch.randn(200, 2), []
    stages = [stage(torch.randn(4, 2), "ema") for _ in range(2)]
    book = fit_stages(stages, vectors, 20, 64, begin=lambda _, rest: shown.append(rest))
    assert torch.equal(shown[0], vectors)
    torch.testing.assert_close(shown[1], ResidualCodebook(stages[:1]).residuals(vectors))
    assert book.residuals(vectors).square().mean() < 0.7 * shown[1].square().mean()


def test_faults():
    with pytest.raises(ConfigError, match="one stage or more"):
        ResidualCodebook([])
    with pytest.raises(ConfigError, match="same dimension"):
        ResidualCodebook([stage(torch.randn(4, 3)), stage(torch.randn(4, 2))])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(2, 6), st.integers(0, 99))
def test_codes_of_stages_as_one_number(stages, codes, seed):
    torch.manual_seed(seed)
    book = ResidualKmeans(codes, 3, stages).eval()
    for one in book.stages:
        one.weight.normal_()
    z = torch.randn(20, 3)
    found = book.nearest(z)
    parts = np.unravel_index(found.numpy(), [codes] * stages)
    rest = z.numpy().astype(np.float64)
    for part, one in zip(parts, book.stages, strict=True):
        vectors = one.weight.numpy().astype(np.float64)
        assert np.array_equal(part, ((rest[:, None] - vectors) ** 2).sum(2).argmin(1))
        rest = rest - vectors[part]
    np.testing.assert_allclose(book.sum_codes(found).numpy(), z.numpy() - rest, atol=1e-5)
    np.testing.assert_allclose(book.lookup(found[None])[0].T.numpy(), z.numpy() - rest, atol=1e-5)
    assert book.size == codes**stages and book.sizes == [codes] * stages


def test_stages_are_fitted_to_what_is_left_and_train_nothing():
    torch.manual_seed(0)
    vectors = torch.randn(3000, 4)
    left = {}
    for name, options in (("kmeans", {}), ("residual", {"stages": 2})):
        book = fit_quantizer(make_quantizer(name, 16, 4, decay=1.0, **options), vectors, 40, 1000)
        left[name] = (vectors - book.lookup(book.nearest(vectors)[None])[0].T).square().mean().item()
    assert left["residual"] < 0.6 * left["kmeans"]
    book = make_quantizer("residual", 4, 3).train()
    z, mask = torch.randn(2, 3, 40, requires_grad=True), torch.ones(2, 40, dtype=torch.bool)
    mask[1, 30:] = False
    found = book(z, mask)
    assert torch.equal(found.vectors, z) and found.losses == {}
    assert found.usage.shape == (16,) and found.usage.sum() == 70
    z = z.detach()
    torch.testing.assert_close(book.eval()(z, mask).vectors, book.lookup(book(z, mask).codes))


def test_too_many_numbers_are_refused():
    with pytest.raises(ConfigError, match="3 stages of 512 codes have more than"):
        make_quantizer("residual", 512, 4, stages=3)


def test_frozen_stages_stay_as_they_are_in_training():
    book = ResidualKmeans(4, 3).train()
    book.frozen = True
    before = [one.weight.clone() for one in book.stages]
    book(torch.randn(2, 3, 40), torch.ones(2, 40, dtype=torch.bool))
    assert book.frozen and all(torch.equal(one.weight, old) for one, old in zip(book.stages, before, strict=True))
