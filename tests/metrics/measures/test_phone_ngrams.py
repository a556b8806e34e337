"""The phone told from n-grams of codes, against dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.phones import PHONES
from vqspeech.metrics.measures import phone, phone_ngrams

SIZE = 3
corpora = st.lists(
    st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(-1, 4)), min_size=0, max_size=10), min_size=2, max_size=5
).filter(lambda utterances: any(p >= 0 for some in utterances for _, p in some))


def history(codes, t, order):
    return tuple(codes[max(0, t - order + 1) : t + 1]) if t + 1 >= order else ("start", *codes[: t + 1])


def told_oracle(codes, phones, order, fit, score):
    """Guesses (utterance, frame) → phone, by the recursion of the docstring, one probability at a time."""
    counts = defaultdict(Counter)
    for i in fit:
        for t, p in enumerate(phones[i]):
            for n in range(order + 1):
                if p >= 0:
                    counts[n, history(codes[i], t, n) if n else ()][p] += 1

    def probability(p, i, t, n):
        seen = counts[n, history(codes[i], t, n) if n else ()]
        if n == 0:
            return seen[p] / max(1, sum(seen.values()))
        return (seen[p] + phone_ngrams.PRIOR * probability(p, i, t, n - 1)) / (sum(seen.values()) + phone_ngrams.PRIOR)

    return {
        (i, t): [probability(p, i, t, order) for p in range(len(PHONES))] for i in score for t in range(len(phones[i]))
    }


def arrays(utterances, which):
    return [np.array([pair[which] for pair in some], dtype=np.int64) for some in utterances]


@given(corpora, st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_held_out_against_oracle(utterances, order):
    codes, phones = arrays(utterances, 0), arrays(utterances, 1)
    half = phone.split_halves(len(codes))
    low = high = total = 0
    for side in (0, 1):
        fit, score = np.flatnonzero(half != side).tolist(), np.flatnonzero(half == side).tolist()
        for (i, t), odds in told_oracle([c.tolist() for c in codes], phones, order, fit, score).items():
            if phones[i][t] >= 0:
                total += 1
                near = odds[phones[i][t]] >= max(odds) - 1e-12
                high += near
                low += near and sum(o >= max(odds) - 1e-12 for o in odds) == 1  # ties may fall either way
    found = phone_ngrams.held_out_accuracy(codes, phones, SIZE, order)
    assert low / total - 1e-12 <= found.value <= high / total + 1e-12


@given(corpora, st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_papers_way_against_oracle(utterances, order):
    codes, phones = arrays(utterances, 0), arrays(utterances, 1)
    counts = defaultdict(Counter)
    for some, spoken in zip(codes, phones, strict=True):
        for t, p in enumerate(spoken):
            if p >= 0:
                counts[history(some.tolist(), t, order)][p] += 1
    hits, total = (sum(f(c.values()) for c in counts.values()) for f in (max, sum))
    assert phone_ngrams.mapping_accuracy(codes, phones, SIZE, order).value == pytest.approx(hits / total)


def test_one_code_alone_is_the_plain_map():
    random = np.random.default_rng(0)
    codes, phones = ([random.integers(0, 5, 40) for _ in range(6)] for _ in range(2))
    assert phone_ngrams.mapping_accuracy(codes, phones, 5, 1) == phone.mapping_accuracy(codes, phones, 5)


def test_phones_that_need_the_code_before():
    """The phone is 2 after a change of code and 3 after none: single codes tell nothing, pairs all of it."""
    random = np.random.default_rng(1)
    codes = [random.integers(0, 2, 400) for _ in range(8)]
    phones = [np.where(np.diff(c, prepend=c[0]) != 0, 2, 3) for c in codes]
    for p in phones:
        p[0] = -1
    assert phone.held_out_accuracy(codes, phones, 2).value == pytest.approx(0.5, abs=0.05)
    for order in (2, 3):
        pairs = phone_ngrams.held_out_accuracy(codes, phones, 2, order)
        assert (pairs.value, pairs.low, pairs.high, pairs.n) == (1, 1, 1, 8)
    assert phone_ngrams.mapping_accuracy(codes, phones, 2, 2).value == 1


def test_memory_is_no_knowledge():
    """Codes that have nothing to do with the phones: trigrams remember them the paper's way; held out it is chance."""
    random = np.random.default_rng(2)
    codes = [random.integers(0, 64, 100) for _ in range(20)]
    phones = [random.integers(0, 41, 100) for _ in range(20)]
    assert phone_ngrams.mapping_accuracy(codes, phones, 64, 3).value > 0.99
    assert phone_ngrams.held_out_accuracy(codes, phones, 64, 3).value == pytest.approx(1 / 41, abs=0.02)


def test_unseen_ngrams_back_off():
    """No pair of codes of one half occurs in the other, each code does: the guess is that of single codes."""
    half = phone.split_halves(2)
    codes = [np.array([0, 1, 2]) if side else np.array([2, 1, 0]) for side in half]
    phones = [c + 5 for c in codes]
    assert phone_ngrams.held_out_accuracy(codes, phones, 3, 2).value == 1
    assert phone_ngrams.held_out_accuracy(codes, phones, 3, 3).value == 1


def test_large_codebooks_do_not_collide():
    codes = np.random.default_rng(3).choice([0, 1, 62, 63, 64, 1022, 1023], 3000)
    numbers = phone_ngrams.number_ngrams([codes], 1024, 3)[0].tolist()
    different = {history(codes.tolist(), t, 3) for t in range(len(codes))}
    assert len(set(numbers)) == len(different)


def test_too_little_to_say():
    assert math.isnan(phone_ngrams.held_out_accuracy([np.array([1])], [np.array([3])], 2, 2).value)
    assert math.isnan(phone_ngrams.mapping_accuracy([np.array([1])], [np.array([-1])], 2, 2).value)
