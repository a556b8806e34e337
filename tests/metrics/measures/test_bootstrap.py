import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.metrics.measures.bootstrap import FEWEST_SPEAKERS, estimate_ratio, estimate_statistic, redraw_speakers


def test_ratio_of_sums_and_interval_against_theory():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = estimate_ratio(values)
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.05)
    assert found.high == pytest.approx(values.mean() + error, abs=0.05)
    assert estimate_ratio([1, 3], [10, 10]).value == pytest.approx(0.2)


def test_groups_widen_the_interval_and_keep_the_value():
    values, groups = np.repeat([0.0, 1.0, 0.0, 1.0], 50), np.repeat(list("abcd"), 50).tolist()
    single, grouped = estimate_ratio(values), estimate_ratio(values, groups=groups)
    assert single.value == grouped.value and single.n == grouped.n == 200
    assert grouped.high - grouped.low > 3 * (single.high - single.low)


def test_nothing_and_one_item_have_no_interval():
    assert math.isnan(estimate_ratio([]).value)
    assert math.isnan(estimate_ratio([1.0], [0.0]).value)
    one = estimate_ratio([2.0, 4.0], groups=["a", "a"])
    assert one.value == 3.0 and math.isnan(one.low)
    assert one.as_json() == {"value": 3.0, "low": None, "high": None, "n": 2}


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 9)), min_size=2, max_size=20))
def test_interval_holds_the_value_of_extremes(pairs):
    parts, wholes = zip(*pairs, strict=True)
    found = estimate_ratio(parts, wholes, draws=200)
    ratios = [part / whole for part, whole in pairs]
    assert min(ratios) - 1e-9 <= found.low <= found.high <= max(ratios) + 1e-9


def test_sources_and_targets_are_redrawn_each_by_itself():
    """Against loops: items count as often as their source and their target are drawn; the spread of neither is lost."""
    generator = np.random.default_rng(0)
    sources, targets = (generator.normal(0, deviation, 8) for deviation in (1.0, 0.5))
    groups = [(f"s{i}", f"t{j}") for i in range(8) for j in range(8)]
    values = [sources[i] + targets[j] for i in range(8) for j in range(8)]
    found = estimate_ratio(values, groups=groups, draws=4000)
    assert found.value == pytest.approx(np.mean(values)) and found.n == 64
    redrawn = []
    for _ in range(4000):
        drawn = generator.integers(8, size=8), generator.integers(8, size=8)
        redrawn.append(np.mean([sources[i] + targets[j] for i in drawn[0] for j in drawn[1]]))
    assert [found.low, found.high] == pytest.approx(np.percentile(redrawn, [2.5, 97.5]), abs=0.06)
    by_source = estimate_ratio(values, groups=[one for one, _ in groups], draws=4000)
    assert found.high - found.low > by_source.high - by_source.low, "targets vary too"
    assert np.isnan(estimate_ratio(values[:8], groups=groups[:8]).low), "of one source nothing is known of sources"


def test_speakers_are_redrawn_where_there_are_enough_of_them():
    few = [f"s{i % (FEWEST_SPEAKERS - 1)}" for i in range(40)]
    many = [f"s{i % FEWEST_SPEAKERS}" for i in range(40)]
    assert (
        redraw_speakers(many).groups == many
        and redraw_speakers(many).words == f"intervals redraw {FEWEST_SPEAKERS} speakers"
    )
    names = [str(i // 2) for i in range(40)]
    assert redraw_speakers(few, names).groups == names and redraw_speakers(few).groups is None
    assert (
        redraw_speakers(few).words
        == f"intervals redraw utterances, of {FEWEST_SPEAKERS - 1} speakers, and hold for these alone"
    )
    assert (
        "of speakers that are not known" in redraw_speakers([*many, None]).words
        and redraw_speakers([*many, None]).groups is None
    )


def test_a_statistic_redraws_groups_as_a_ratio_does():
    generator = np.random.default_rng(0)
    groups = np.repeat([f"s{i}" for i in range(12)], 5).tolist()
    values = np.repeat(generator.normal(0, 1, 12), 5) + generator.normal(0, 0.1, 60)

    def mean(weights):
        return float(weights @ values / weights.sum())

    single, grouped, wanted = (
        estimate_statistic(mean, 60),
        estimate_statistic(mean, 60, 4000, groups=groups),
        estimate_ratio(values, groups=groups),
    )
    assert [grouped.low, grouped.high] == pytest.approx([wanted.low, wanted.high], abs=0.08) and grouped.n == 60
    assert grouped.high - grouped.low > 1.5 * (single.high - single.low)
    pairs = [(group, f"t{i % 5}") for i, group in enumerate(groups)]
    crossed, wanted = estimate_statistic(mean, 60, 4000, groups=pairs), estimate_ratio(values, groups=pairs, draws=4000)
    assert [crossed.low, crossed.high] == pytest.approx([wanted.low, wanted.high], abs=0.08)
    assert math.isnan(estimate_statistic(mean, 60, groups=["one"] * 60).low)
    nothing = estimate_statistic(lambda weights: math.nan, 60)
    assert math.isnan(nothing.value) and math.isnan(nothing.low) and nothing.n == 60
