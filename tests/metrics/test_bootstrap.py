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


def test_sources_and_targets_are_redrawn_each_by_itself():
    """Against loops: items count as often as their source and their target are drawn; the spread of neither is lost."""
    generator = np.random.default_rng(0)
    sources, targets = (generator.normal(0, deviation, 8) for deviation in (1.0, 0.5))
    groups = [(f"s{i}", f"t{j}") for i in range(8) for j in range(8)]
    values = [sources[i] + targets[j] for i in range(8) for j in range(8)]
    found = ratio(values, groups=groups, draws=4000)
    assert found.value == pytest.approx(np.mean(values)) and found.n == 64
    redrawn = []
    for _ in range(4000):
        drawn = generator.integers(8, size=8), generator.integers(8, size=8)
        redrawn.append(np.mean([sources[i] + targets[j] for i in drawn[0] for j in drawn[1]]))
    assert [found.low, found.high] == pytest.approx(np.percentile(redrawn, [2.5, 97.5]), abs=0.06)
    by_source = ratio(values, groups=[one for one, _ in groups], draws=4000)
    assert found.high - found.low > by_source.high - by_source.low, "targets vary too"
    assert np.isnan(ratio(values[:8], groups=groups[:8]).low), "of one source nothing is known of sources"
