"""Kneser–Ney against the equations, term by term, and by hand."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.units import Units
from vqspeech.metrics.measures.kneser_ney import KneserNey, SpeakerKneserNey, choose_order


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


def chain(order, count, length, seed, size=6, voices=1):
    """Sequences in which a code follows mostly from the `order` - 1 before it, by a rule of each voice."""
    random = np.random.default_rng(seed)
    found = []
    for i in range(count):
        one = list(random.integers(0, size, 4))
        for _ in range(length):
            after = (sum((j + 1) * c for j, c in enumerate(one[len(one) - order + 1 :])) + 1 + i % voices) % size
            one.append(after if random.random() < 0.9 else random.integers(size))
        found.append(np.array(one))
    return found


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_order_is_chosen_on_held_out_sequences(order):
    """The order of the source is the one that predicts held-out sequences best; on the same ones more is never less."""
    codes, held = chain(order, 8, 400, 0), chain(order, 4, 400, 1)
    assert choose_order(codes, held, 6) == order
    assert choose_order(codes, codes, 6) >= order


def test_orders_that_cannot_be_numbered_are_left_out():
    assert choose_order([np.arange(30)], [np.arange(30)], 100_000) in (1, 2, 3)


def test_n_grams_conditioned_on_the_speaker_against_their_formula():
    codes, voices = chain(2, 6, 60, 0, voices=2), ["a", "b"] * 3
    everyone = KneserNey(codes, 6, 2)
    model = SpeakerKneserNey(everyone, codes, voices)
    model.set(3, 0.25)
    own = KneserNey(codes[::2], 6, 3)
    tested = chain(2, 1, 30, 5)[0]
    wanted = -np.log2(0.25 * 2.0 ** -own.bits(tested) + 0.75 * 2.0 ** -everyone.bits(tested))
    np.testing.assert_allclose(model.bits(tested, "a"), wanted, rtol=1e-12)
    for nobody in ("stranger", None):
        np.testing.assert_array_equal(model.bits(tested, nobody), everyone.bits(tested))


def test_what_speakers_differ_in_is_found_on_held_out_sequences():
    """Two voices with rules of their own: the speaker's n-grams get nearly all the weight; with one rule, less."""
    for voices, at_least, at_most in ((2, 0.8, 0.9), (1, 0.0, 0.7)):
        codes, names = chain(2, 12, 300, 0, voices=voices), ["a", "b"] * 6
        model = SpeakerKneserNey(KneserNey(codes, 6, 2), codes, names)
        held = chain(2, 4, 300, 1, voices=voices)
        model.tune(held, ["a", "b"] * 2)
        assert at_least <= model.weight <= at_most and (voices == 1 or model.order == 2)
        told = sum(model.bits(one, name).sum() for one, name in zip(held, "abab", strict=True))
        assert told <= sum(model.everyone.bits(one).sum() for one in held)
