"""Kneser–Ney against the equations, term by term, and by hand."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.units import Units
from vqspeech.metrics.kneser_ney import KneserNey


def slow(codes, size, order):
    """p(code | history) by dictionaries, as the equations have it; -1 is the mark before an utterance."""
    grams = Counter(tuple(([-1] * (order - 1) + list(one))[i : i + order]) for one in codes for i in range(len(one)))
    tables = [grams]
    for _ in range(order - 1):
        tables.insert(0, Counter(gram[1:] for gram in tables[0]))
    discounts = []
    for n in tables:
        ones, twos = (sum(v == k for v in n.values()) for k in (1, 2))
        discounts.append(min(max(ones / (ones + 2 * twos) if ones + twos else 0.0, 0.01), 0.99))

    def p(code, history, n):
        if not n:
            return 1 / size
        table, discount = tables[n - 1], discounts[n - 1]
        history = history[len(history) - n + 1 :]
        after = {gram[-1]: count for gram, count in table.items() if gram[:-1] == history}
        below = p(code, history[1:], n - 1)
        if not after:
            return below
        kept = max(after.get(code, 0) - discount, 0)
        return (kept + discount * len(after) * below) / sum(after.values())

    return lambda code, history: p(code, tuple(history), order)


CODES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(CODES, st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 4))
def test_against_the_equations(codes, tested, order):
    model, p = KneserNey([np.array(one) for one in codes], 5, order), slow(codes, 5, order)
    padded = [-1] * (order - 1) + tested
    wanted = [p(padded[i + order - 1], padded[i : i + order - 1]) for i in range(len(tested))]
    np.testing.assert_allclose(2.0 ** -model.bits(np.array(tested)), wanted, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(CODES, st.integers(1, 4), st.integers(0, 99))
def test_it_is_a_distribution_after_any_history(codes, order, seed):
    model = KneserNey([np.array(one) for one in codes], 5, order)
    histories = np.random.default_rng(seed).integers(-1, 5, (20, order - 1))
    found = model.distribution(histories)
    assert found.shape == (20, 5) and (found > 0).all()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)


def test_by_hand():
    # One utterance 0 1 0 2 0 1 of 3 codes, bigrams; ^ is the mark before it.
    # ^0 once, 01 twice, 10 once, 02 once, 20 once: m1 = 4, m2 = 1, D2 = 4/6.
    # Single codes by different codes before them: 0 after ^, 1, 2: three; 1 and 2 after 0: one each; D1 = 2/2, held
    # to 0.99.
    model = KneserNey([np.array([0, 1, 0, 2, 0, 1])], 3, 2)
    d1, d2, third = Fraction(99, 100), Fraction(2, 3), Fraction(1, 3)
    one = [(max(n - d1, 0) + d1 * 3 * third) / 5 for n in (3, 1, 1)]
    after_0 = [(max(n - d2, 0) + d2 * 2 * p) / 3 for n, p in zip((0, 2, 1), one, strict=True)]
    after_2 = [(max(n - d2, 0) + d2 * 1 * p) / 1 for n, p in zip((1, 0, 0), one, strict=True)]
    assert sum(one) == sum(after_0) == sum(after_2) == 1
    found = model.distribution(np.array([[0], [2]]))
    np.testing.assert_allclose(found, np.array([after_0, after_2], dtype=float), rtol=1e-12)


def test_what_is_certain_costs_next_to_nothing_and_noise_costs_log_size():
    cycle = [np.arange(400) % 8 for _ in range(5)]
    assert KneserNey(cycle, 8, 3).bits(cycle[0])[2:].max() < 0.001
    noise = [np.random.default_rng(i).integers(0, 8, 4000) for i in range(4)]
    assert KneserNey(noise[:3], 8, 1).bits(noise[3]).mean() == pytest.approx(3, abs=0.01)
    assert KneserNey(noise[:3], 8, 3).bits(noise[3]).mean() > 3


def test_samples_follow_it():
    random = np.random.default_rng(0)
    codes = [np.cumsum(random.integers(1, 3, 300)) % 6 for _ in range(10)]
    model = KneserNey.of(Units(dict(zip("abcdefghij", codes, strict=True)), 50.0, 6, "m", "0"), 2)
    drawn = model.sample(2000, 3, seed=1)
    assert drawn.shape == (3, 2000) and (drawn == model.sample(2000, 3, seed=1)).all()
    assert (drawn[:1] == model.sample(2000, 1, seed=1)).all() and (drawn[0] != drawn[1]).any()
    steps = np.bincount(((drawn[:, 1:] - drawn[:, :-1]) % 6).ravel(), minlength=6) / drawn[:, 1:].size
    assert steps[1] == pytest.approx(0.5, abs=0.03) and steps[2] == pytest.approx(0.5, abs=0.03)
    after = model.sample(500, 40, seed=2, prompt=np.array([5, 4]))
    assert (after[:, :2] == [5, 4]).all() and (np.isin(after[:, 2], [5, 0])).mean() > 0.9
    greedy = KneserNey([np.arange(400) % 8], 8, 3).sample(9, 1, temperature=0, prompt=np.array([2, 3]))
    assert greedy[0].tolist() == [2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4]


def test_orders_that_cannot_be():
    for size, order in ((512, 0), (512, 7)):
        with pytest.raises(ValueError, match="cannot be numbered"):
            KneserNey([np.zeros(3, np.int64)], size, order)
