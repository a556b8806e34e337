"""The gated PixelCNN: causality by gradients, exact sums over all grids, cached sampling against the full pass."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from vqspeech.errors import ConfigError
from vqspeech.vision.models.pixelcnn import PixelCNN, build_pixelcnn
from vqspeech.vision.models.pixelcnn_cache import sample_codes


def network(size=5, shape=(1, 4, 5), classes=0, condition=0, seed=0, spread=0.4, **options):
    """A small network that hangs on what it sees: with the weights it starts with, codes would be all but free."""
    torch.manual_seed(seed)
    small = {"layers": 3, "width": 6, "window": 3, "hidden": 9, "dropout": 0.1}
    made = PixelCNN(size, shape, classes, condition, **{**small, **options}).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * spread)
    return made


def touched(made, place, channel=0):
    """Where `(rows, columns)` the prediction at a place hangs on the codes' vectors, by gradient: bool."""
    _, height, width = made.shape
    vectors = torch.randn(1, made.embedding.embedding_dim, 1 + height, 1 + width, requires_grad=True)
    features = made.features(vectors, torch.zeros(1, dtype=torch.long), None)
    (gradient,) = torch.autograd.grad(features[0, :, place[0], place[1]].square().sum(), vectors)
    return (gradient[0].abs().sum(0) > 0).numpy()


@pytest.mark.parametrize(("layers", "window"), [(1, 3), (3, 3), (2, 5)])
def test_every_place_sees_all_places_before_it_within_reach_and_no_other(layers, window):
    made = network(shape=(1, 7, 8), layers=layers, window=window, hidden=64)
    reach = layers * (window // 2) + 1
    assert made.reach == reach
    for i, j in itertools.product(range(7), range(8)):
        seen = touched(made, (i, j))
        for a, b in itertools.product(range(-1, 7), range(-1, 8)):
            before = a < i or (a == i and b < j)
            if not before:
                assert not seen[a + 1, b + 1], f"({i}, {j}) sees ({a}, {b}), which is not before it"
        # No blind spot: what lies up and to the right is seen as what lies up and to the left is, a layer a column.
        for up, aside in itertools.product(range(1, reach), range(-(reach - 1), reach)):
            if i - up >= 0 and 0 <= j + aside < 8:
                assert seen[i - up + 1, j + aside + 1], f"({i}, {j}) does not see {up} up, {aside} aside"


def test_channels_of_a_place_hang_on_those_before_them_only():
    made = network(shape=(3, 2, 2))
    codes = torch.randint(0, 5, (1, 3, 2, 2), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = made(codes, torch.tensor([0]))
        for c, i, j in itertools.product(range(3), range(2), range(2)):
            other = codes.clone()
            other[0, c, i, j] = (other[0, c, i, j] + 1) % 5
            changed = (made(other, torch.tensor([0])) - logits).abs().sum(1)[0] > 0  # (channels, height, width)
            for c2, i2, j2 in itertools.product(range(3), range(2), range(2)):
                after = (i2, j2, c2) > (i, j, c)
                assert bool(changed[c2, i2, j2]) == after, f"({c}, {i}, {j}) changes ({c2}, {i2}, {j2})"


@pytest.mark.parametrize(("size", "shape"), [(2, (1, 2, 2)), (2, (2, 2, 2)), (3, (1, 2, 2))])
def test_probabilities_of_all_grids_add_up_to_one(size, shape):
    made = network(size, shape, classes=2, condition=3).double()
    condition = torch.randn(1, 3, *shape[1:], dtype=torch.float64)
    grids = torch.tensor(list(itertools.product(range(size), repeat=int(np.prod(shape))))).view(-1, *shape)
    for label in range(3):
        with torch.no_grad():
            nats = made.double().loss(grids, torch.full((len(grids),), label), condition.expand(len(grids), -1, -1, -1))
        assert torch.logsumexp(-nats.double().flatten(1).sum(1), 0).item() == pytest.approx(0, abs=1e-5)


def test_the_class_and_the_condition_are_heard():
    made = network(classes=2, condition=3)
    codes, condition = torch.zeros(1, 1, 4, 5, dtype=torch.long), torch.randn(1, 3, 4, 5)
    with torch.no_grad():
        one, two = (made(codes, torch.tensor([label]), condition) for label in (1, 2))
        other = made(codes, torch.tensor([1]), condition + 1)
    assert (one - two).abs().min() > 0 and (one - other).abs().min() > 0


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.sampled_from([3, 5]), st.integers(0, 2), st.booleans(),
    st.sampled_from([0.7, 1.0]), st.integers(0, 99),
)  # fmt: skip
def test_cached_sampling_is_the_full_forward_pass(batch, channels, window, rows, conditioned, temperature, seed):
    made = network(shape=(channels, 3, 4), window=window, classes=2, condition=3 * conditioned, seed=seed)
    random = torch.Generator().manual_seed(seed)
    uniforms = torch.rand(batch, channels, 3, 4, generator=random)
    first = torch.randint(0, 5, (batch, channels, rows, 4), generator=random)
    classes, logits = torch.arange(batch), torch.empty(batch, 5, channels, 3, 4)
    condition = torch.randn(batch, 3, 3, 4, generator=random) if conditioned else None
    codes = sample_codes(made, uniforms, classes, condition, temperature=temperature, given=first, logits=logits)
    with torch.no_grad():
        full = made(codes, classes, condition)
    torch.testing.assert_close(logits, full, atol=1e-5, rtol=1e-5)
    assert torch.equal(codes[:, :, :rows], first)
    for b, c, i, j in itertools.product(range(batch), range(channels), range(rows, 3), range(4)):
        wanted = reference.drawn(full[b, :, c, i, j].double().numpy(), float(uniforms[b, c, i, j]), temperature)
        assert wanted == codes[b, c, i, j]


def test_lanes_do_not_hang_on_each_other():
    made = network(classes=2)
    uniforms, classes = torch.rand(4, 1, 4, 5), torch.tensor([0, 1, 2, 0])
    together = sample_codes(made, uniforms, classes)
    for lane in range(4):
        assert torch.equal(sample_codes(made, uniforms[lane : lane + 1], classes[lane : lane + 1])[0], together[lane])


def test_samples_follow_the_distribution():
    """Chi-square of 4,000 samples over all 16 grids of 2×2 codes of two, against the exact probabilities."""
    made = network(2, (1, 2, 2), spread=0.3)
    grids = torch.tensor(list(itertools.product(range(2), repeat=4))).view(-1, 1, 2, 2)
    with torch.no_grad():
        wanted = (-made.loss(grids, torch.zeros(16, dtype=torch.long)).flatten(1).sum(1)).exp().double().numpy()
    n = 4000
    uniforms = torch.from_numpy(np.random.default_rng(0).random((n, 1, 2, 2), dtype=np.float32))
    codes = sample_codes(made, uniforms, torch.zeros(n, dtype=torch.long)).flatten(1).numpy()
    counts = np.bincount(codes @ np.array([8, 4, 2, 1]), minlength=16)
    assert wanted.min() * n > 5, "each cell has enough for the test"
    chi_square = ((counts - n * wanted) ** 2 / (n * wanted)).sum()
    assert chi_square < 37.7  # 99.9 % of 15 degrees of freedom
    even = ((counts - n / 16) ** 2 / (n / 16)).sum()
    assert even > 100, "and they are far from uniform, so the test could fail"


def test_the_likeliest_codes():
    made, uniforms, nobody = network(), torch.rand(2, 1, 4, 5), torch.zeros(2, dtype=torch.long)
    greedy = sample_codes(made, uniforms, nobody, temperature=0)
    with torch.no_grad():
        assert torch.equal(made(greedy, nobody).argmax(1), greedy)
    assert torch.equal(sample_codes(made, uniforms, nobody, top_p=1e-6), greedy)


def test_hidden_codes_are_hidden_in_training_only():
    made = network(hidden_codes=1.0)
    codes = torch.randint(0, 5, (2, 2, 1, 4, 5))
    nobody = torch.zeros(2, dtype=torch.long)
    with torch.no_grad():
        assert not torch.equal(made(codes[0], nobody), made(codes[1], nobody))
        made.train()
        for layer in made.layers:
            layer.dropout.p = 0.0
        assert torch.equal(made(codes[0], nobody), made(codes[1], nobody))


@pytest.mark.parametrize("window", [1, 4])
def test_windows_without_a_middle_are_refused(window):
    with pytest.raises(ConfigError, match=f"prior.window={window}: give an odd whole number from 3"):
        build_pixelcnn({"condition_dropout": 0.1, "window": window}, size=5, shape=(1, 4, 5))
