"""The second VQ-VAE: latents, what is told the decoder, whether they are used."""

import numpy as np
import pytest
import torch

from tests.vision.code_maps import SIZE
from vqspeech.errors import ConfigError
from vqspeech.models.quantize import Codebook, SeparateCodebooks, make_quantizer
from vqspeech.vision.data.code_batches import CodeBatch, to_grids
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.training.top import NONE, OTHERS, OWN, measure_bits

CODES = {"codes": SIZE, "shape": [1, 9, 5], "model": "exp/m", "sha256": "5" * 64}
CONFIG = {
    "prior": {
        "layers": 2,
        "width": 6,
        "window": 3,
        "hidden": 9,
        "dropout": 0.0,
        "hidden_codes": 0.0,
        "condition_dropout": 0.0,
    },
    "top": {"latents": 3, "dimension": 4, "channels": 5, "blocks": 1},
    "quantizer": {"name": "ema", "codes": 7},
}


def top(codes=CODES, condition_dropout=0.0, **options):
    torch.manual_seed(0)
    config = {
        **CONFIG,
        "prior": {**CONFIG["prior"], "condition_dropout": condition_dropout},
        "top": {**CONFIG["top"], **options},
    }
    return TopVQVAE(config, codes).eval()


def some(n=6, seed=0):
    codes = to_grids(np.random.default_rng(seed).integers(0, SIZE, (n, 9, 5)), 1)
    return CodeBatch(codes, torch.zeros(n, dtype=torch.long))


def settled(made, batch):
    """The model with a codebook fitted to a batch, and with the batch's own mean and deviation."""
    made.encoder.norm.momentum = 1.0
    with torch.no_grad():
        made.train()(batch)
    return made.eval()


def test_three_latents_of_a_whole_map_and_their_losses():
    made, batch = top(), some()
    losses, codes, mask = made.train()(batch)
    assert codes.shape == mask.shape == (6, 3) and mask.all() and set(losses) == {"nll", "commitment"}
    made.eval()
    with torch.no_grad():
        losses, codes, _ = made(batch)
    assert (made.encode(batch.codes[:, 0].numpy()) == codes.numpy()).all()
    bits = made.bits(batch.codes, codes)
    assert losses["nll"].item() * 45 / np.log(2) == pytest.approx(bits.mean().item(), rel=1e-5)


def test_each_latent_has_codes_of_its_own():
    """The same index is another vector for another latent, usage is told by latent, and each book is found alone."""
    made, batch = settled(top(codebooks="own"), some(12)), some(12)
    books = made.quantizer.books
    assert len(books) == 3 and made.size == 7  # pyright: ignore
    assert not torch.equal(books[0].weight, books[1].weight) and not torch.equal(books[1].weight, books[2].weight)  # pyright: ignore
    with torch.no_grad():
        vectors = made.encoder(batch.codes)
        codes = made.summarise(batch.codes)
        found = made.quantizer.lookup(codes)
        for i, book in enumerate(books):  # pyright: ignore
            assert torch.equal(codes[:, i], book.nearest(vectors[:, :, i]))
            assert torch.equal(found[:, :, i], book.weight[codes[:, i]])
        _, counts = measure_bits(made, batch, 5)
        assert counts.shape == (3, 7) and (counts.sum(1) == 12).all()
        assert torch.equal(counts[2], codes[:, 2].bincount(minlength=7))
        losses, told, mask = made(batch)
        assert torch.equal(told, codes) and mask.shape == (12, 3)
        wanted = torch.stack([0.25 * (vectors[:, :, i] - found[:, :, i]).square().mean() for i in range(3)]).mean()
        assert losses["commitment"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_latent_learns_nothing_from_the_codebooks_of_the_others():
    torch.manual_seed(0)
    books = [make_quantizer("gradient", 5, 2, revive_below=0.0, initial="uniform") for _ in range(2)]
    both = SeparateCodebooks(books)
    z = torch.randn(6, 2, 2, requires_grad=True)
    quantised = both(z, torch.ones(6, 2, dtype=torch.bool))
    assert quantised.usage.shape == (2, 5) and (quantised.usage.sum(1) == 6).all()
    quantised.losses["codebook"].backward()
    for book, one in zip(books, z.detach().unbind(2), strict=True):
        chosen = book.nearest(one)
        wanted = torch.zeros(5, 2).index_add_(0, chosen, (book.weight.detach()[chosen] - one) / 12)
        assert book.weight.grad is not None
        torch.testing.assert_close(book.weight.grad, wanted)  # of 6 vectors of 2 numbers, half of two latents
    torch.testing.assert_close(quantised.vectors, both.lookup(quantised.codes))


def test_checkpoints_of_one_codebook_for_all_latents_load(tmp_path):
    """They do not say `top.codebooks`."""
    made = settled(top(), some())
    made.save_pretrained(tmp_path / "best.safetensors", step=1)
    again = TopVQVAE.from_pretrained(tmp_path)
    assert isinstance(again.quantizer, Codebook) and "quantizer.weight" in again.state_dict()
    codes = np.random.default_rng(0).integers(0, SIZE, (3, 9, 5))
    assert (again.encode(codes) == made.encode(codes)).all()
    own = settled(top(codebooks="own"), some())
    own.save_pretrained(tmp_path / "own" / "best.safetensors", step=1)
    assert (TopVQVAE.from_pretrained(tmp_path / "own").encode(codes) == own.encode(codes)).all()
    with pytest.raises(ConfigError, match="top.codebooks=each"):
        top(codebooks="each")


def test_the_encoder_learns_through_the_latents():
    made = top().train()
    losses, _, _ = made(some())
    losses["nll"].backward()
    assert made.encoder.embedding.weight.grad is not None and made.encoder.embedding.weight.grad.abs().sum() > 0


def test_withheld_latents_are_no_latents():
    made, batch = top(condition_dropout=1.0), some()
    none = settled(made, batch).bits(batch.codes, None).mean().item()
    made.quantizer.frozen = True  # pyright: ignore
    with torch.no_grad():
        assert made.train()(batch)[0]["nll"].item() * 45 / np.log(2) == pytest.approx(none, rel=1e-5), (
            "the latents of all are dropped"
        )
        own = made.eval()(batch)[0]["nll"].item() * 45 / np.log(2)
    assert own != pytest.approx(none, rel=1e-5), "none is when it is used"


def test_a_collapsed_model_is_seen_to_be_one():
    made, batch = top(), some(8)
    settled(made, batch)
    with torch.no_grad():
        right, counts = measure_bits(made, batch, 3, one_by_one=True)
        assert counts.sum() == 24 and len(right) == 6
        assert all((right[name] != right[OWN]).any() for name in right if name != OWN)
        for layer in made.network.layers:  # the decoder turns a deaf ear
            assert layer.condition is not None
            layer.condition.weight.zero_()
        assert made.network.above is not None
        made.network.above.weight.zero_()
        deaf, _ = measure_bits(made, batch, 3, one_by_one=True)
    assert all(torch.equal(deaf[name], deaf[OWN]) for name in deaf)


def test_bits_are_of_whole_maps_by_what_is_told():
    made, batch = top(), some(4)
    settled(made, batch)
    with torch.no_grad():
        found, _ = measure_bits(made, batch, 3)
        own = made.summarise(batch.codes)
        for i in range(4):
            one = batch.codes[i : i + 1]
            for name, told in ((OWN, own[i : i + 1]), (OTHERS, own[(i + 2) % 4][None]), (NONE, None)):
                assert made.bits(one, told).item() == pytest.approx(found[name][i].item(), rel=1e-5)


def test_draws_hang_on_latents_and_seed():
    made = top()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    latents = np.array([[0, 1, 2], [3, 4, 5]])
    first = made.sample(latents, seed=1, progress=False)
    assert first.shape == (2, 9, 5) and (made.sample(latents, seed=1, progress=False) == first).all()
    assert (made.sample(latents, seed=2, progress=False) != first).any()
    assert (made.sample(latents[::-1].copy(), seed=1, progress=False) != first).any()


def test_checkpoints(tmp_path):
    made = top()
    made.save_pretrained(tmp_path / "best.safetensors", step=1)
    again, codes = TopVQVAE.from_pretrained(tmp_path), np.random.default_rng(0).integers(0, SIZE, (3, 9, 5))
    assert (again.encode(codes) == made.encode(codes)).all()


def test_maps_that_are_too_small():
    with pytest.raises(ConfigError, match="maps of 3x5 codes are too small"):
        top({**CODES, "shape": [1, 3, 5]})
