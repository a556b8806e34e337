import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.metrics.bootstrap import ratio


def test_ratio_of_sums_and_interval_against_theory():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = ratio(values)
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.05)
    assert found.high == pytest.approx(values.mean() + error, abs=0.05)
    assert ratio([1, 3], [10, 10]).value == pytest.approx(0.2)


def test_groups_widen_the_interval_and_keep_the_value():
    values, groups = np.repeat([0.0, 1.0, 0.0, 1.0], 50), np.repeat(list("abcd"), 50).tolist()
    single, grouped = ratio(values), ratio(values, groups=groups)
    assert single.value == grouped.value and single.n == grouped.n == 200
    assert grouped.high - grouped.low > 3 * (single.high - single.low)


def test_nothing_and_one_item_have_no_interval():
    assert math.isnan(ratio([]).value)
    assert math.isnan(ratio([1.0], [0.0]).value)
    one = ratio([2.0, 4.0], groups=["a", "a"])
    assert one.value == 3.0 and math.isnan(one.low)
    assert one.as_json() == {"value": 3.0, "low": None, "high": None, "n": 2}


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 9)), min_size=2, max_size=20))
def test_interval_holds_the_value_of_extremes(pairs):
    parts, wholes = zip(*pairs, strict=True)
    found = ratio(parts, wholes, draws=200)
    ratios = [part / whole for part, whole in pairs]
    assert min(ratios) - 1e-9 <= found.low <= found.high <= max(ratios) + 1e-9
