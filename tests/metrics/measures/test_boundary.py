"""Boundaries of codes against those of phones."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.aligned_speech import spoken
from vqspeech.data.alignment import Interval
from vqspeech.metrics.aligned import Aligned, find_segments
from vqspeech.metrics.measures import boundary

times = st.lists(st.integers(0, 30), max_size=6, unique=True).map(sorted)


def hits_oracle(true, found, tolerance):
    """The largest set of pairs, each boundary in one at most, by trying all of them."""
    pairs = [(a, b) for a in true for b in found if abs(a - b) <= tolerance]
    for size in range(min(len(true), len(found)), 0, -1):
        for chosen in combinations(pairs, size):
            if len({a for a, _ in chosen}) == len({b for _, b in chosen}) == size:
                return size
    return 0


@given(times, times)
@settings(max_examples=100, deadline=None)
def test_hits_against_oracle(true, found):
    true, found = (np.array(some) / 100 for some in (true, found))
    assert boundary.count_hits(true, found, 0.02) == hits_oracle(true.tolist(), found.tolist(), 0.02 + 1e-9)


@pytest.mark.parametrize(
    ("recall", "over", "value"),
    [
        (1, 0, 1),
        (0, -1, 1 - math.sqrt(2) / 2),
        (1, 1, 1 - (1 + 1 / math.sqrt(2)) / 2),
        (0.75, 0.05, 1 - (math.hypot(0.25, 0.05) + 0.3 / math.sqrt(2)) / 2),
    ],
)
def test_r_value_by_hand(recall, over, value):
    assert boundary.r_value(recall, over) == pytest.approx(value)


def figures(utterances):
    found = [boundary.find_boundaries(one) for one in utterances]
    return boundary.score_boundaries([one.phones for one in found], [one.found for one in found])


def test_codes_that_change_with_the_phones_are_perfect():
    one = spoken("a-1", "a", [7, 7, 7, 1, 1, 4, 4, 4], [("sil", 0.3), ("aa", 0.2), ("k", 0.3)])
    found = figures([one, one])
    assert [found[k].value for k in ("precision", "recall", "F", "R-value", "over-segmentation")] == [1, 1, 1, 1, 0]
    assert (found["R-value"].low, found["R-value"].high) == (1, 1)


def test_codes_that_change_elsewhere_find_nothing():
    one = spoken("a-1", "a", [7, 1, 1, 1, 1, 4, 4, 4], [("sil", 0.3), ("aa", 0.4), ("k", 0.1)])
    found = figures([one])
    assert found["precision"].value == found["recall"].value == found["F"].value == 0


def test_one_code_has_no_boundary():
    found = figures([spoken("a-1", "a", [7] * 8, [("sil", 0.3), ("aa", 0.2), ("k", 0.3)])] * 2)
    assert found["recall"].value == 0 and math.isnan(found["precision"].value)
    assert found["over-segmentation"].value == -1 and found["R-value"].value == pytest.approx(1 - math.sqrt(2) / 2)


def test_a_change_at_every_frame_finds_all_and_is_no_good():
    one = spoken("a-1", "a", range(40), [("sil", 1.0), ("aa", 1.0), ("k", 2.0)])
    found = figures([one])
    assert found["recall"].value == 1 and found["precision"].value == pytest.approx(2 / 39)
    assert found["over-segmentation"].value == pytest.approx(39 / 2 - 1) and found["R-value"].value < -10


def test_the_tolerance_is_in_seconds():
    for late, hit in ((0.02, 1), (0.021, 0)):
        assert boundary.count_hits(np.array([0.5]), np.array([0.5 + late])) == hit


def test_what_is_not_labelled_is_no_question():
    """Changes in a gap, at the edges of a stretch and before it count for nothing; nor do edges of the utterance."""
    intervals = [Interval(0.5, 1.0, "aa"), Interval(1.0, 1.5, "k"), Interval(2.0, 3.0, "s")]
    codes = np.array([0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 8, 9, 8, 7, 6, *[6] * 10])
    one = Aligned("a", "a", 10.0, codes, np.zeros(31, np.int64), find_segments(intervals))
    found = boundary.find_boundaries(one)
    assert found.phones.tolist() == [1.0]
    assert found.found.tolist() == [1.0]
    assert found.even.tolist() == [1.0]


def test_even_boundaries_are_as_many_in_each_stretch():
    one = spoken("a-1", "a", [0, 1, 0, 1, 1, 1, 1, 1, 1, 1], [("sil", 0.4), ("aa", 0.6)])
    found = boundary.find_boundaries(one)
    assert found.even.tolist() == pytest.approx([0.25, 0.5, 0.75]) and len(found.found) == 3


def test_silences_that_touch_have_no_boundary_between():
    assert find_segments([Interval(0, 1, "sil"), Interval(1, 2, "sp"), Interval(2, 3, "AA1")]).starts.tolist() == [0, 2]
