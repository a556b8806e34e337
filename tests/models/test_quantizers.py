"""What single quantisers do in training, and what replaces their dead codes."""

import numpy as np
import pytest
import torch

from tests import reference
from tests.conftest import buzz
from tests.models.test_quantize import full, ready
from vqspeech import VQVAE
from vqspeech.conf import load_config
from vqspeech.errors import ConfigError
from vqspeech.models import checkpoint
from vqspeech.models.quantize import (
    QUANTIZERS,
    EmaCodebook,
    GradientCodebook,
    KmeansCodebook,
    NsvqCodebook,
    SoftEmCodebook,
    make_quantizer,
    search,
)
from vqspeech.models.quantize.replacement import AsPublished, ByBatches, Usage


def differences(function, x, step=1e-5):
    """The gradient of a function of an array by central differences."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(function(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def test_noise_substitution_and_its_gradients_are_the_oracles(monkeypatch):
    book = ready(NsvqCodebook, revive_below=0.0)
    noise = torch.randn(2, 4, 5)
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    z, target = torch.randn(2, 4, 5, requires_grad=True), torch.randn(2, 4, 5)
    codebook = book.weight.detach().numpy().astype(np.float64)
    found = book(z, full(z))
    assert found.losses == {}, "no loss of its own"

    exact = z.detach().numpy().astype(np.float64)
    codes, v = found.codes.numpy(), noise.numpy().astype(np.float64)
    expected = reference.noise_substituted(exact, codebook, codes, v)
    np.testing.assert_allclose(found.vectors.detach().numpy(), expected, rtol=1e-5, atol=1e-5)

    def loss(x, weight):
        return float(((reference.noise_substituted(x, weight, codes, v) - target.numpy()) ** 3).sum())

    reached = torch.autograd.grad((found.vectors - target).pow(3).sum(), [z, book.weight])
    np.testing.assert_allclose(reached[0], differences(lambda x: loss(x, codebook), exact), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(reached[1], differences(lambda w: loss(exact, w), codebook), rtol=2e-3, atol=2e-3)


def test_noise_has_the_size_of_the_error_and_no_direction():
    book = ready(NsvqCodebook, codes=1, dimension=2, revive_below=0.0)
    z = torch.tensor([3.0, 4.0])[None, :, None].repeat(1, 1, 4000)
    book.start(torch.zeros(1, 2))
    moved = (book(z, full(z)).vectors - z).detach()[0]
    torch.testing.assert_close(moved.norm(dim=0), torch.full((4000,), 5.0))
    assert moved.mean(1).abs().max() < 0.2


def test_a_vector_on_its_code_has_a_finite_gradient():
    book = ready(NsvqCodebook)
    z = book.weight.detach().T[None].clone().requires_grad_()
    gradients = torch.autograd.grad(book(z, full(z)).vectors.square().sum(), [z, book.weight])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_noise_is_for_training_alone():
    book = ready(NsvqCodebook)
    z = torch.randn(2, 4, 5)
    frozen = ready(NsvqCodebook)
    frozen.frozen = True
    for still in (book.eval(), frozen):
        _, vectors = reference.quantised(z.numpy(), still.weight.detach().numpy())
        np.testing.assert_allclose(still(z, full(z)).vectors.detach().numpy(), vectors, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_em_draws_codes_by_their_distance(temperature):
    book = ready(SoftEmCodebook, codes=4, dimension=2, samples=20_000, temperature=temperature)
    z = torch.tensor([[0.3, -0.4], [1.0, 0.5]])
    codes, choices = book.assign(z)
    for vector, nearest, drawn in zip(z.numpy(), codes, choices, strict=True):
        wanted = reference.choice_probabilities(vector, book.weight.numpy(), temperature)
        shares = drawn.bincount(minlength=4).numpy() / 20_000
        np.testing.assert_allclose(shares, wanted, atol=4 * 0.5 / np.sqrt(20_000))
        assert int(nearest) == wanted.argmax()


def test_soft_em_step_is_the_oracles(monkeypatch):
    book = ready(SoftEmCodebook, revive_below=0.0, samples=3, beta=0.5)
    choices = torch.randint(6, (14, 3))
    z = torch.randn(2, 4, 7, requires_grad=True)
    flat = z.detach().transpose(1, 2).reshape(-1, 4)
    monkeypatch.setattr(book, "assign", lambda flat: (book.nearest(flat), choices))
    counts, sums, old = book.counts.numpy().copy(), book.sums.numpy().copy(), book.weight.numpy().copy()
    found = book(z, full(z))
    expected = old[choices.numpy()].mean(1).reshape(2, 7, 4).transpose(0, 2, 1)
    np.testing.assert_allclose(found.vectors.detach().numpy(), expected, atol=1e-6)
    assert found.losses["commitment"].item() == pytest.approx(
        0.5 * ((z.detach().numpy() - expected) ** 2).mean(), rel=1e-5
    )
    assert torch.equal(torch.autograd.grad(found.vectors.sum(), z)[0], torch.ones_like(z)), "straight through"
    counts, sums, weight = reference.soft_em_step(counts, sums, flat.numpy(), choices.numpy(), 0.99)
    np.testing.assert_allclose(book.counts.numpy(), counts, rtol=1e-5)
    np.testing.assert_allclose(book.sums.numpy(), sums, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(book.weight.numpy(), weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.usage.sum(), 14.0, rtol=1e-6)


def test_soft_em_at_a_low_temperature_is_ema():
    states = []
    for kind, options in ((EmaCodebook, {}), (SoftEmCodebook, {"temperature": 1e-6})):
        book = ready(kind, 6, 4, revive_below=0.0, **options)
        book(torch.linspace(-2, 2, 60).view(1, 4, 15), torch.ones(1, 15, dtype=torch.bool))
        states.append(book.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor)


def test_kmeans_is_that_of_scikit_learn():
    from sklearn.cluster import MiniBatchKMeans

    random = np.random.default_rng(0)
    start = random.standard_normal((6, 3)).astype(np.float32)
    theirs = MiniBatchKMeans(6, init=start, n_init=1, reassignment_ratio=0.0)  # pyright: ignore
    ours = KmeansCodebook(6, 3, decay=1.0, revive_below=0.0).train()
    ours.start(torch.from_numpy(start), 0.0)
    for _ in range(8):
        batch = random.standard_normal((20, 3)).astype(np.float32)
        theirs.partial_fit(batch)
        z = torch.from_numpy(batch.T)[None].requires_grad_()
        found = ours(z, full(z))
        assert torch.equal(found.vectors, z) and found.losses == {}, "the autoencoder learns without quantisation"
        np.testing.assert_allclose(ours.weight.numpy(), np.asarray(theirs.cluster_centers_), atol=1e-5)


def test_kmeans_says_when_it_is_fitted():
    book = KmeansCodebook(4, 2)
    z = torch.randn(1, 2, 30)
    book.eval()(z, full(z))
    assert not book.fitted
    book.train()(z, full(z))
    assert book.fitted
    _, vectors = reference.quantised(z.numpy(), book.weight.numpy())
    np.testing.assert_allclose(book.eval()(z, full(z)).vectors.numpy(), vectors, atol=1e-6)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_usage_counts_the_vectors_that_count(name):
    book = ready(QUANTIZERS[name])
    z = torch.randn(2, 4, 6)
    mask = full(z)
    mask[0, 2:] = False
    found = book.eval()(z, mask)
    assert torch.equal(found.usage, found.codes[mask].bincount(minlength=6).float())
    assert book.train()(z, mask).usage.sum().item() == pytest.approx(mask.sum().item())


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_it_is_the_only_change_in_a_recipe(name):
    changed, plain = (load_config("mini_world", [f"quantizer={one}"]) for one in (name, "ema"))
    assert changed["quantizer"]["name"] == name and changed["quantizer"]["codes"] == 1024
    assert {k: v for k, v in changed.items() if k != "quantizer"} == {
        k: v for k, v in plain.items() if k != "quantizer"
    }
    assert isinstance(make_quantizer(dimension=8, **changed["quantizer"]), QUANTIZERS[name])


@pytest.mark.parametrize("unit", ["vectors", "batches", "nsvq"])
@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_going_on_from_a_checkpoint_is_as_never_having_stopped(name, unit, tmp_path, monkeypatch):
    monkeypatch.setattr(ByBatches, "PERIOD", 4)
    monkeypatch.setattr(AsPublished, "PERIOD", 4)

    def steps(book, numbers):
        for number in numbers:
            torch.manual_seed(number)
            z = torch.randn(2, 3, 9)
            book(z, full(z))

    def make_codebook():
        return make_quantizer(name, 12, 3, revive_below=0.6, revive_by=unit).train()

    whole, stopped, other = make_codebook(), make_codebook(), make_codebook()
    steps(whole, range(10))
    steps(stopped, range(6))
    checkpoint.write(tmp_path / "a.safetensors", stopped.state_dict(), {})
    other.load_state_dict(checkpoint.read(tmp_path / "a.safetensors")[0])
    steps(other, range(6, 10))
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key


def test_checkpoints_of_before_still_load():
    for name, names in (("ema", {"counts", "fitted", "weight", "sums"}), ("gradient", {"counts", "fitted", "weight"})):
        book = make_quantizer(name, 4, 2, beta=0.25, decay=0.99, revive_below=0.05)
        assert book.state_dict().keys() == names


def test_the_shipped_model_gives_the_codes_it_always_gave():
    model = VQVAE.from_pretrained("world")
    codes = model.encode(buzz(3.0, 120))
    assert model.fingerprint() == "893402c3ce24b31a63f7be26369a72ab65283967bee001e09a42f38a16e6b81b"
    assert codes[:20].tolist() == [
        489, 349, 452, 364, 364, 190, 25, 295, 220, 220, 409, 409, 295, 194, 194, 181, 181, 181, 304, 38,
    ]  # fmt: skip


# Search


@pytest.mark.parametrize("block", [1, 7, 50, 10_000])
def test_blocks_change_nothing_but_memory(block, monkeypatch):
    vectors, weight = torch.randn(101, 5), torch.randn(13, 5)
    monkeypatch.setattr(search, "CPU_BLOCK", block)
    held = []
    search.for_each_block(vectors, weight, lambda part, distances: held.append(distances.numel()))
    assert max(held) <= max(block, 13) and sum(held) == 101 * 13
    expected, _ = reference.quantised(vectors.T[None].numpy(), weight.numpy())
    assert (search.nearest(vectors, weight).numpy() == expected[0]).all()


def test_of_equal_codes_the_first_is_chosen_and_nothing_is_an_input():
    assert search.nearest(torch.zeros(3, 2), torch.ones(4, 2)).tolist() == [0, 0, 0]
    assert search.nearest(torch.zeros(0, 2), torch.ones(4, 2)).shape == (0,)


# Replacement


def used(policy, numbers, weight=None):
    weight = torch.randn(len(numbers), 2) if weight is None else weight
    numbers = torch.tensor(numbers)
    return policy(Usage(weight, numbers, numbers, lambda number: torch.full((number, 2), 7.0)))


def test_each_use_counts_and_not_each_batch_with_one():
    policy = ByBatches(3, below=0.05)  # fewer than 5 uses in 100 batches
    assert used(policy, [100.0, 10.0, 4.0]) is None
    for _ in range(98):
        assert used(policy, [100.0, 0.0, 0.0]) is None
    moved = used(policy, [100.0, 0.0, 0.0])
    assert moved.rows.tolist() == [2], "10 uses in one batch are 10, 4 are too few"
    assert used(policy, [0.0, 0.0, 0.0]) is None, "it begins to count anew"


def test_dead_codes_go_beside_living_ones_as_often_as_those_are_used(monkeypatch):
    monkeypatch.setattr(ByBatches, "PERIOD", 1)
    weight = torch.randn(1000, 2)
    weight[0], weight[1] = torch.tensor([-9.0, 0.0]), torch.tensor([9.0, 0.0])
    moved = used(ByBatches(1000, below=0.5), [30.0, 10.0] + [0.0] * 998, weight)
    left = (moved.vectors[:, 0] < 0).float().mean().item()
    assert len(moved.rows) == 998 and left == pytest.approx(0.75, abs=0.06)
    assert (moved.vectors[:, 0].abs() - 9).abs().max() < 0.2
    assert len(moved.vectors.unique(dim=0)) == 998, "no two codes are the same"


def test_published_replacement_counts_batches_with_a_use_and_not_uses():
    policy = AsPublished(3, below=0.05)  # used in fewer than 5 of 100 batches
    for _ in range(4):
        assert used(policy, [9.0, 100.0, 1.0]) is None
    for _ in range(95):
        assert used(policy, [9.0, 0.0, 0.0]) is None
    moved = used(policy, [9.0, 0.0, 1.0])
    assert moved.rows.tolist() == [1], "hundreds of uses in 4 batches are 4, one in each of 5 is enough"


def test_published_replacement_copies_living_codes_evenly_with_tiny_noise(monkeypatch):
    monkeypatch.setattr(AsPublished, "PERIOD", 1)
    weight = torch.randn(10, 2)
    numbers = [30.0, 1.0, 1.0] + [0.0] * 7  # how often they are used plays no part
    moved = used(AsPublished(10, below=0.5), numbers, weight)
    assert moved.rows.tolist() == list(range(3, 10))
    copies = torch.cdist(moved.vectors, weight[:3])
    assert copies.min(1).values.max() < 1e-6, "the noise is far below the distance between codes"
    counts = copies.argmin(1).bincount(minlength=3)
    assert counts.sum() == 7 and counts.max() <= 3, "of three repeated thrice, seven in random order"
    evenly = [used(AsPublished(10, below=0.5), numbers, weight) for _ in range(40)]
    orders = {tuple(torch.cdist(one.vectors, weight[:3]).argmin(1).tolist()) for one in evenly}
    assert len(orders) > 10
    nothing = used(AsPublished(4, below=0.5), [0.0] * 4, weight[:4])
    assert nothing.rows.tolist() == [0, 1, 2, 3] and torch.allclose(nothing.vectors, weight[:4], atol=1e-9)


def test_published_replacement_ends_before_training_does(monkeypatch):
    monkeypatch.setattr(AsPublished, "PERIOD", 2)
    policy = AsPublished(2, below=0.9, until=4)
    moved = [used(policy, [1.0, 0.0]) is not None for _ in range(8)]
    assert moved == [False, True, False, True, False, False, False, False]
    with pytest.raises(ConfigError, match="revive_until=3: only quantizer.revive_by=nsvq ends before"):
        make_quantizer("nsvq", 4, 2, revive_until=3)


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_codes_that_do_not_begin_at_k_means_begin_uniformly(name):
    torch.manual_seed(0)
    book = make_quantizer(name, 300, 12, revive_below=0.0, initial="uniform").train()
    before = book.weight.detach().clone()
    assert book.moved is None, "their first gradient counts"
    assert book.fitted and before.abs().max() <= 0.5 and before.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.05)
    if name in ("gradient", "nsvq"):
        z = 100 + torch.randn(1, 12, 64)
        book(z, full(z))
        assert torch.equal(book.weight, before), "no batch moves codes but by gradients"


def test_the_papers_own_quantiser_is_eq_3_and_nothing_else():
    book = make_quantizer(dimension=2, **load_config("vctk")["quantizer"]).train()
    assert (
        type(book) is GradientCodebook and book.replacement is None and book.initial == "uniform" and book.beta == 0.25
    )
    z = torch.randn(1, 2, 30, requires_grad=True)
    found = book(z, full(z))
    assert set(found.losses) == {"commitment", "codebook"}


def test_where_all_are_dead_they_go_to_vectors_of_the_batch(monkeypatch):
    monkeypatch.setattr(ByBatches, "PERIOD", 1)
    moved = used(ByBatches(3, below=0.5), [0.0, 0.0, 0.0])
    assert moved.vectors.tolist() == [[7.0, 7.0]] * 3


@pytest.mark.parametrize("unit", ["vectors", "batches", "nsvq"])
@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_every_quantiser_can_take_or_leave_replacement(name, unit, monkeypatch):
    monkeypatch.setattr(ByBatches, "PERIOD", 5)
    monkeypatch.setattr(AsPublished, "PERIOD", 5)
    far = torch.full((4, 2), 50.0) + torch.randn(4, 2)
    dead = []
    for below in (0.0, 0.1):
        book = make_quantizer(name, 8, 2, revive_below=below, revive_by=unit, decay=0.9).train()
        book.start(torch.cat([torch.randn(4, 2), far]))
        for _ in range(40):
            z = torch.randn(1, 2, 64)
            book(z, full(z))
        dead.append(int((book.weight.norm(dim=1) > 20).sum()))
    assert dead == [4, 0]


def test_kmeans_that_never_forgets_has_dead_codes_too():
    book = KmeansCodebook(2, 2, decay=1.0, revive_below=0.5).train()
    book.start(torch.tensor([[0.0, 0.0], [50.0, 50.0]]))
    for _ in range(200):
        z = torch.randn(1, 2, 16)
        book(z, full(z))
    assert book.weight.norm(dim=1).max() < 3


def test_gradient_and_noise_substitution_do_not_move_codes_themselves():
    for kind in (GradientCodebook, NsvqCodebook):
        book = ready(kind, revive_below=0.0)
        before = book.weight.detach().clone()
        book(torch.randn(2, 4, 5), torch.ones(2, 5, dtype=torch.bool))
        assert torch.equal(book.weight.detach(), before)
