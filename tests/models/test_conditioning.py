import pytest
import torch

from vqspeech.errors import ConfigError
from vqspeech.models.conditioning import condition, fit_soft_temperature
from vqspeech.models.quantize import KmeansCodebook, ResidualKmeans
from vqspeech.models.quantize.residual import ResidualCodebook


@pytest.fixture
def stages() -> ResidualCodebook:
    torch.manual_seed(0)
    made = ResidualCodebook([KmeansCodebook(7, 3), KmeansCodebook(5, 3)])
    for stage in made.stages:
        stage.weight.normal_()
    return made


def test_from_codes_to_latents_the_way_gets_nearer(stages: ResidualCodebook):
    z = torch.randn(400, 3)
    first = stages.stages[0]
    codes = condition(stages, z, "codes")
    assert torch.equal(codes, first.weight[torch.cdist(z, first.weight).argmin(1)])
    assert torch.equal(codes, condition(first, z, "codes"))
    assert torch.equal(condition(stages, z, "residual"), stages.sum_codes(stages.nearest(z)))
    assert torch.equal(condition(stages, z, "continuous"), z)


def test_soft_codes_are_expected_vectors(stages: ResidualCodebook):
    z, first = torch.randn(50, 3), stages.stages[0]
    weights = torch.exp(-(torch.cdist(z.double(), first.weight.double()) ** 2) / 0.7)
    expected = (weights / weights.sum(1, keepdim=True)) @ first.weight.double()
    assert torch.allclose(condition(stages, z, "soft", 0.7).double(), expected, atol=1e-4)
    assert torch.allclose(condition(first, z, "soft", 1e-6), condition(first, z, "codes"), atol=1e-4)
    nearest = torch.cdist(z, first.weight).min(1).values.square().mean()
    assert fit_soft_temperature(stages, z) == pytest.approx(0.07 * float(nearest), rel=1e-4)


def test_what_cannot_be_had(stages: ResidualCodebook):
    with pytest.raises(ConfigError, match="one stage"):
        condition(stages.stages[0], torch.randn(2, 3), "residual")
    with pytest.raises(ConfigError, match="there are codes"):
        condition(stages, torch.randn(2, 3), "smooth")


def test_a_configured_residual_codebook_conditions_on_all_stages():
    book = ResidualKmeans(6, 3, 2)
    for one in book.stages:
        one.weight.normal_()
    z = torch.randn(30, 3)
    assert torch.equal(condition(book, z, "residual"), book.sum_codes(book.nearest(z)))
    assert torch.equal(condition(book, z, "codes"), condition(book.stages[0], z, "codes"))
