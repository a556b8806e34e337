"""Likelihoods: against a loop over the definition, and summed over all images there are."""

import itertools
import math

import numpy as np
import pytest
import torch

from vqspeech.errors import ConfigError
from vqspeech.vision.models import likelihood as module
from vqspeech.vision.models.likelihood import build_likelihood

OPTIONS = {"categorical": {}, "logistic": {"mixtures": 3}, "normal": {"deviation": 8}}
OF_LEVELS = ("categorical", "logistic")
"""Those that give nothing to what is no level."""


def build(name, channels=3):
    return build_likelihood(name, channels, **OPTIONS[name])


def outputs_of(one, batch, size, scale=1.0, seed=0):
    return scale * torch.randn(batch, one.outputs, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OF_LEVELS)
def test_the_levels_of_one_pixel_sum_to_one(name):
    one = build(name, 1)
    for scale in (0.3, 1.0, 4.0):
        outputs = outputs_of(one, 1, 1, scale).expand(256, -1, -1, -1)
        images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
        assert float(one.log_prob(outputs, images).double().exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", OF_LEVELS)
def test_all_images_of_two_by_two_binary_pixels_sum_to_one(name, monkeypatch):
    monkeypatch.setattr(module, "LEVELS", 2)
    one = build(name, 1)
    images = torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=torch.uint8).view(16, 1, 2, 2)
    outputs = outputs_of(one, 1, 2).expand(16, -1, -1, -1)
    assert float(one.log_prob(outputs, images).double().exp().sum()) == pytest.approx(1, abs=1e-6)


def test_categorical_by_hand():
    one = build("categorical", 3)
    outputs, images = outputs_of(one, 2, 2), torch.randint(0, 256, (2, 3, 2, 2), dtype=torch.uint8)
    numbers = outputs.double().numpy().reshape(2, 3, 256, 2, 2)  # channel by channel, its 256 levels
    for b in range(2):
        total = 0.0
        for c, i, j in itertools.product(range(3), range(2), range(2)):
            logits = numbers[b, c, :, i, j]
            total += logits[int(images[b, c, i, j])] - np.log(np.exp(logits).sum())
        assert float(one.log_prob(outputs, images)[b]) == pytest.approx(total, rel=1e-5)


def test_logistic_mixture_by_hand():
    one = build("logistic", 2)
    outputs = outputs_of(one, 1, 2)
    images = torch.tensor([0, 255, 3, 128, 254, 1, 200, 77], dtype=torch.uint8).view(1, 2, 2, 2)
    numbers = outputs.double().numpy().reshape(3, 3, 2, 2, 2)  # kind, mixture, channel, row, column

    def cumulative(x, mean, scale):
        return 1 / (1 + math.exp(-(x - mean) / scale))

    total = 0.0
    for c, i, j in itertools.product(range(2), range(2), range(2)):
        weights = np.exp(numbers[0, :, c, i, j]) / np.exp(numbers[0, :, c, i, j]).sum()
        level, chance = int(images[0, c, i, j]), 0.0
        x = level / 127.5 - 1
        for weight, mean, log_scale in zip(weights, *numbers[1:, :, c, i, j], strict=True):
            upper = 1.0 if level == 255 else cumulative(x + 1 / 255, mean, math.exp(log_scale - 2.5))
            lower = 0.0 if level == 0 else cumulative(x - 1 / 255, mean, math.exp(log_scale - 2.5))
            chance += weight * (upper - lower)
        total += math.log(chance)
    assert float(one.log_prob(outputs, images)[0]) == pytest.approx(total, rel=1e-4)


def test_logistic_mixture_far_from_its_means_is_finite_and_has_a_gradient():
    one = build("logistic", 1)
    outputs = torch.zeros(1, one.outputs, 1, 256)
    outputs[:, 3:6] = 40.0  # means far off
    outputs[:, 6:] = -30.0  # scales at their least
    outputs.requires_grad_()
    found = one.log_prob(outputs, torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256))
    found.sum().backward()
    assert torch.isfinite(found).all() and outputs.grad is not None and torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("name", OF_LEVELS)
def test_what_is_drawn_follows_the_odds(name):
    one = build(name, 1)
    outputs = outputs_of(one, 1, 1, 2.0, seed=3)
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    odds = one.log_prob(outputs.expand(256, -1, -1, -1), images).double().exp().numpy()
    drawn = one.sample(outputs.expand(20000, -1, -1, -1), torch.Generator().manual_seed(0)).flatten().numpy()
    counts = np.bincount(drawn, minlength=256)
    # Levels are taken together until at least 20 are expected of each group.
    groups = np.minimum((np.cumsum(odds) * 40).astype(int), 39)
    wanted, seen = (np.bincount(groups, values, 40) for values in (20000 * odds, counts))
    kept = wanted > 20
    statistic = float(((seen - wanted)[kept] ** 2 / wanted[kept]).sum())
    assert statistic < kept.sum() + 4 * math.sqrt(2 * kept.sum()), "chi-square"


def test_mean_of_a_categorical():
    one = build("categorical", 2)
    outputs = outputs_of(one, 2, 3)
    odds = outputs.view(2, 2, 256, 3, 3).softmax(2)
    torch.testing.assert_close(one.mean(outputs), (odds * torch.arange(256.0)[:, None, None]).sum(2))
    assert one.round_mean(outputs).dtype == torch.uint8


def test_mean_of_a_narrow_logistic_is_where_it_lies():
    one = build("logistic", 1)
    outputs = torch.zeros(1, one.outputs, 1, 1)
    outputs[:, 3:6], outputs[:, 6:] = 100 / 127.5 - 1, -7.0
    assert one.round_mean(outputs).item() == 100
    assert one.sample(outputs).item() == 100


@pytest.mark.parametrize("deviation", [1.0, 3.7, 8.0])
def test_a_normal_adds_up_to_one_but_for_what_lies_outside(deviation):
    one = build_likelihood("normal", 1, deviation=deviation)
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)

    def total(mean):
        outputs = torch.full((256, 1, 1, 1), mean / 127.5 - 1)
        return float(one.log_prob(outputs, images).double().exp().sum())

    assert total(100.3) == pytest.approx(1, abs=1e-5)
    assert 0.5 < total(0.3) < 1 and total(-60.0) < 1e-9, "an upper limit of the bits, never less"


def test_what_a_normal_draws_has_its_mean_and_deviation():
    one = build_likelihood("normal", 1, deviation=9)
    drawn = one.sample(torch.full((20000, 1, 1, 1), 120 / 127.5 - 1), torch.Generator().manual_seed(0)).float()
    assert float(drawn.mean()) == pytest.approx(120, abs=0.3) and float(drawn.std()) == pytest.approx(9, abs=0.2)


def test_a_normal_is_the_squared_error():
    one = build_likelihood("normal", 3, deviation=45)
    outputs = outputs_of(one, 2, 4).requires_grad_()
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    one.log_prob(outputs, images).sum().backward()
    errors = images.float() - (outputs.detach() + 1) * 127.5
    torch.testing.assert_close(outputs.grad, errors * 127.5 / 45**2)
    torch.testing.assert_close(one.mean(outputs.detach()), images - errors)


def test_unknown_ones_are_refused():
    with pytest.raises(ConfigError, match="no likelihood 'laplace'; there are categorical, logistic, normal"):
        build_likelihood("laplace", 3)
    with pytest.raises(ConfigError, match="likelihood.deviation=0.5: give a number from 1 to 256"):
        build_likelihood("normal", 3, deviation=0.5)
    with pytest.raises(ConfigError, match="likelihood.mixtures: no such option; there are none"):
        build_likelihood("categorical", 3, mixtures=2)
