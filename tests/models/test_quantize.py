import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.models.quantize import QUANTIZERS, EmaCodebook, GradientCodebook, make_quantizer

KINDS = list(QUANTIZERS.values())


def ready(kind, codes=6, dimension=4, **options):
    """A codebook in training that skips the fit to its first batch."""
    torch.manual_seed(1)
    book = kind(codes, dimension, **options).train()
    book.set_vectors(torch.arange(codes), torch.randn(codes, dimension), 1.0)
    book.fitted.fill_(True)
    return book


def full(z):
    return torch.ones(z.shape[0], z.shape[2], dtype=torch.bool)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(1, 7), st.integers(0, 1000))
def test_nearest_codes_are_the_oracles(kind, codes, dimension, batch, time, seed):
    book = ready(kind, codes, dimension).eval()
    z = torch.randn(batch, dimension, time, generator=torch.Generator().manual_seed(seed))
    found = book(z, full(z))
    expected, vectors = reference.quantised(z.numpy(), book.weight.detach().numpy())
    assert (found.codes.numpy() == expected).all()
    np.testing.assert_allclose(found.vectors.detach().numpy(), vectors, atol=1e-6)


@pytest.mark.parametrize("kind", [EmaCodebook, GradientCodebook])
def test_straight_through_gradient_is_that_of_the_quantised_vectors(kind):
    book = ready(kind)
    codebook = book.weight.detach().numpy().copy()
    z = torch.randn(2, 4, 5, requires_grad=True)
    target = torch.randn(2, 4, 5)
    quantised = book(z, full(z)).vectors
    (gradient,) = torch.autograd.grad((quantised - target).pow(3).sum(), z)
    # d(loss)/d(z_q) on the oracle, by central differences.
    _, vectors = reference.quantised(z.detach().numpy().astype(np.float64), codebook)
    step, wanted = 1e-4, np.zeros_like(vectors)
    for index in np.ndindex(vectors.shape):
        moved = []
        for sign in (1, -1):
            changed = vectors.copy()
            changed[index] += sign * step
            moved.append(((changed - target.numpy()) ** 3).sum())
        wanted[index] = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(gradient.numpy(), wanted, rtol=1e-3, atol=1e-3)


def test_losses_are_equation_3_and_reach_the_right_side():
    book = ready(GradientCodebook, beta=0.25)
    z = torch.randn(2, 4, 5, requires_grad=True)
    losses = book(z, full(z)).losses
    _, vectors = reference.quantised(z.detach().numpy(), book.weight.detach().numpy())
    distance = ((z.detach().numpy() - vectors) ** 2).mean()
    assert losses["codebook"].item() == pytest.approx(distance, rel=1e-5)
    assert losses["commitment"].item() == pytest.approx(0.25 * distance, rel=1e-5)
    assert torch.autograd.grad(losses["codebook"], z, retain_graph=True, allow_unused=True)[0] is None
    assert torch.autograd.grad(losses["commitment"], book.weight, retain_graph=True, allow_unused=True)[0] is None
    assert torch.autograd.grad(losses["commitment"], z, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(losses["codebook"], book.weight)[0].abs().sum() > 0


def test_ema_step_is_the_oracles():
    book = ready(EmaCodebook, revive_below=0.0)
    counts, sums = book.counts.numpy().copy(), book.sums.numpy().copy()
    z = torch.randn(3, 4, 7)
    codes = book(z, full(z)).codes
    flat = z.transpose(1, 2).reshape(-1, 4).numpy()
    counts, sums, weight = reference.ema_step(counts, sums, flat, codes.numpy().ravel(), 0.99)
    np.testing.assert_allclose(book.counts.numpy(), counts, rtol=1e-5)
    np.testing.assert_allclose(book.sums.numpy(), sums, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(book.weight.numpy(), weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_vectors_count_for_nothing(kind):
    z = torch.randn(2, 4, 6)
    mask = full(z)
    mask[1, 3:] = False
    states, losses = [], []
    for filler in (0.0, 1e3):
        book = ready(kind, revive_below=0.0)
        filled = torch.where(mask[:, None], z, torch.tensor(filler))
        losses.append(sum(book(filled, mask).losses.values(), torch.zeros(())).item())
        states.append([book.counts.clone(), book.weight.detach().clone()])
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("kind", [EmaCodebook, GradientCodebook])
def test_revived_code_survives_the_next_step(kind):
    book = ready(kind, codes=4, dimension=2, revive_below=0.1)
    near = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [100.0, 100.0]])
    book.set_vectors(torch.arange(4), near, torch.tensor([10.0, 10.0, 10.0, 0.1]))
    z = torch.rand(1, 2, 40)
    book(z, full(z))
    revived = book.weight.detach()[3].clone()
    assert revived.max() <= 1, "the dead code was put on a vector of the batch"
    assert book.counts[3] == pytest.approx(book.counts[:3].mean().item(), rel=0.5)
    book(z, full(z))
    moved = (book.weight.detach()[3] - revived).norm().item()
    assert moved < 0.05, "embedding, count and running sum are reset together, so one step moves the code little"
    assert (book(z, full(z)).codes == 3).any(), "and it is used"


@pytest.mark.parametrize("kind", KINDS)
def test_distances_and_averages_are_float32_under_autocast(kind):
    # Codes apart by less than bfloat16 can tell at this magnitude (its steps are 0.5 there).
    values = 100 + 0.05 * torch.arange(8.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        book = ready(kind, codes=8, dimension=1, revive_below=0.0)
        book.set_vectors(torch.arange(8), values[:, None], 1.0)
        z = (values + 0.001)[None, None]
        out = book(z, full(z))
    assert out.codes[0].tolist() == list(range(8))
    assert out.vectors.dtype == torch.float32
    assert all(loss.dtype == torch.float32 for loss in out.losses.values())
    assert book.counts.dtype == book.weight.dtype == torch.float32
    if kind is EmaCodebook:
        np.testing.assert_allclose(book.weight[:, 0].numpy(), (values + 0.01 * 0.001).numpy(), atol=2e-5)


@pytest.mark.parametrize("kind", [EmaCodebook, GradientCodebook])
def test_first_batch_fits_the_codebook(kind):
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 9.0], [9.0, 0.0], [-9.0, 0.0]])
    z = (centres.repeat(50, 1) + 0.1 * torch.randn(150, 2)).T[None]
    book = kind(3, 2).train()
    losses = book(z, full(z)).losses
    assert losses["commitment"] < 0.25 * 0.1, "k-means found the three clusters"
    assert book.fitted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("codes", "time"), [(1, 5), (8, 3), (4, 4)])
def test_small_and_degenerate_batches(kind, codes, time):
    book = kind(codes, 2).train()
    z = torch.ones(1, 2, time)  # all vectors equal, fewer vectors than codes
    for _ in range(3):
        out = book(z, full(z))
    torch.testing.assert_close(out.vectors, z)
    assert torch.isfinite(book.weight).all()


def test_evaluation_changes_nothing():
    book = ready(EmaCodebook).eval()
    before = {name: tensor.clone() for name, tensor in book.state_dict().items()}
    z = torch.randn(2, 4, 5)
    book(z, full(z))
    assert all(torch.equal(before[name], tensor) for name, tensor in book.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(kind, bad):
    book = ready(kind)
    z = torch.randn(1, 4, 3)
    z[0, 2, 1] = bad
    before = {name: tensor.clone() for name, tensor in book.state_dict().items()}
    for training in (True, False):
        with pytest.raises(VqspeechError, match="not finite"):
            book.train(training)(z, full(z))
    assert all(torch.equal(before[name], tensor) for name, tensor in book.state_dict().items()), "nothing is lost"


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="there are gradient, ema"):
        make_quantizer("lbg", 4, 2)
    with pytest.raises(ConfigError, match="quantizer.codes=0: give a whole number from 1"):
        make_quantizer("ema", 0, 2)
    with pytest.raises(ConfigError, match="gamma"):
        make_quantizer("ema", 4, 2, gamma=0.9)
    with pytest.raises(ConfigError, match="revive_by=epochs: give one of vectors, batches, nsvq"):
        make_quantizer("ema", 4, 2, revive_by="epochs")
    with pytest.raises(ConfigError, match="revive_below=-0.1: give a number of at least 0"):
        make_quantizer("nsvq", 4, 2, revive_below=-0.1)
    with pytest.raises(ConfigError, match="temperature=0.0: give a number above 0"):
        make_quantizer("soft_em", 4, 2, temperature=0.0)
    with pytest.raises(VqspeechError, match="padding"):
        make_quantizer("ema", 4, 2).train()(torch.zeros(1, 2, 3), torch.zeros(1, 3, dtype=torch.bool))
