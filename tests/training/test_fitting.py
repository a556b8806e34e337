import pytest
import torch

from vqspeech.data.toys import load_digits
from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.metrics.measures.codebook import measure_distortion
from vqspeech.models.autoencoder import Autoencoder
from vqspeech.models.quantize import QUANTIZERS, make_quantizer
from vqspeech.training.fitting import fit_autoencoder, fit_quantizer

SOFT = {"soft_em": {"temperature": 0.01}}


def clusters(seed):
    centres = torch.tensor([[0.0, 5.0], [5.0, 0.0], [-5.0, 0.0], [0.0, -5.0]])
    generator = torch.Generator().manual_seed(seed)
    return centres[torch.randint(4, (800,), generator=generator)] + 0.1 * torch.randn(800, 2, generator=generator)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_every_method_finds_clusters(name):
    book = fit_quantizer(make_quantizer(name, 4, 2, **SOFT.get(name, {})), clusters(0), 60, 64)
    found = measure_distortion(book, clusters(1))
    assert not book.training
    assert found["mse"] == pytest.approx(0.01, rel=0.2) and found["dead"] == 0
    assert found["perplexity"] == pytest.approx(4, abs=0.1)


def test_without_encoder_and_decoder_noise_substitution_is_the_codebook_loss():
    books = [make_quantizer(name, 16, 2, revive_below=0.0) for name in ("gradient", "nsvq")]
    for book in books:
        book.start(torch.randn(16, 2, generator=torch.Generator().manual_seed(5)))
        fit_quantizer(book, clusters(0), 40, 32)
    torch.testing.assert_close(books[0].weight, books[1].weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["nsvq", "soft_em"])
def test_a_seed_says_it_all(name):
    one, two, other = (
        fit_quantizer(make_quantizer(name, 6, 2), clusters(0), 10, 16, seed=seed).weight.detach() for seed in (1, 1, 2)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_bad_vectors_are_refused():
    book = make_quantizer("ema", 4, 2)
    with pytest.raises(ConfigError, match=r"\(vectors, dimension\)"):
        fit_quantizer(book, torch.zeros(5, 3), 1, 1)
    with pytest.raises(ConfigError):
        fit_quantizer(book, torch.zeros(0, 2), 1, 1)
    with pytest.raises(VqspeechError, match="not finite"):
        fit_quantizer(book, torch.tensor([[0.0, float("nan")]]), 1, 1)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_a_small_vqvae_learns(name):
    train, held = map(torch.from_numpy, load_digits())
    assert train.shape == (1438, 64) and held.shape == (359, 64) and train.min() >= 0 and train.max() == 1
    torch.manual_seed(0)
    options = {"name": name, "codes": 32} | ({"temperature": 0.1} if name == "soft_em" else {})
    model = Autoencoder(64, float(train.var(0).mean()), options, 32, 4, 4)
    with torch.no_grad():
        before = float(model.eval()(held)[0]["reconstruction"])
    fit_autoencoder(model, train, 300, 64, 1e-2)
    with torch.no_grad():
        losses, found = model(held)
    assert losses["reconstruction"] < 0.75 < before
    assert found.codes.shape == (359, 4) and found.usage.sum() == 4 * 359
