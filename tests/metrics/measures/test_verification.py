import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.metrics.measures import verification
from vqspeech.metrics.measures.verification import equal_error_rate, estimate_eer, estimate_eer_against_recordings

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=12).map(lambda some: np.array(some, dtype=float))


def crossing(genuine, impostor):
    """Every threshold by itself; then the line between the two pairs about FRR = FAR, by bisection."""
    thresholds = [*sorted({*genuine, *impostor}), np.inf]
    pairs = [((genuine < t).mean(), (impostor >= t).mean()) for t in thresholds]
    before = max(i for i, (refused, let_in) in enumerate(pairs) if refused < let_in)
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        refused, let_in = (a + share * (b - a) for a, b in zip(pairs[before], pairs[before + 1], strict=True))
        low, high = (share, high) if refused < let_in else (low, share)
    return refused


@given(SCORES, SCORES)
def test_as_the_oracle(genuine, impostor):
    assert equal_error_rate(genuine, impostor) == pytest.approx(crossing(genuine, impostor))


@given(SCORES, SCORES)
def test_symmetric_and_of_any_scale(genuine, impostor):
    rate = equal_error_rate(genuine, impostor)
    assert equal_error_rate(-impostor, -genuine) == pytest.approx(rate)
    assert equal_error_rate(3 * genuine - 7, 3 * impostor - 7) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("genuine", "impostor", "rate"),
    [
        ([1.0, 2.0], [0.0, 0.5], 0),
        ([0.0, 0.5], [1.0, 2.0], 1),
        ([1.0, 1.0], [1.0], 0.5),
        ([0.0, 2.0, 3.0, 4.0], [-1.0, 1.0, -2.0, -3.0], 0.25),
        # 1/3 of the genuine are refused from 1 to 2, where the impostors let in fall from 1/2 to 0
        ([0.5, 2.0, 3.0], [0.0, 1.0], 1 / 3),
    ],
)
def test_known_rates(genuine, impostor, rate):
    assert equal_error_rate(np.array(genuine), np.array(impostor)) == pytest.approx(rate)


def test_weights_are_repetitions():
    generator = np.random.default_rng(0)
    genuine, impostor = generator.normal(1, 1, 20), generator.normal(0, 1, 30)
    counts = generator.integers(0, 4, 20), generator.integers(0, 4, 30)
    weighted = equal_error_rate(genuine, impostor, counts[0].astype(float), counts[1].astype(float))
    assert weighted == pytest.approx(equal_error_rate(np.repeat(genuine, counts[0]), np.repeat(impostor, counts[1])))
    assert np.isnan(equal_error_rate(genuine, np.zeros(0)))


def test_interval_over_groups():
    generator = np.random.default_rng(1)
    genuine, impostor = generator.normal(1, 1, 40), generator.normal(0, 1, (40, 3))
    found = estimate_eer(list(genuine), list(impostor), [f"u{i // 4}" for i in range(40)])
    assert found.n == 40 and found.low < found.value < found.high
    assert found.value == pytest.approx(equal_error_rate(genuine, impostor.ravel()))
    apart = estimate_eer(list(genuine), list(impostor), [f"u{i}" for i in range(40)])
    assert apart.value == found.value
    alone = estimate_eer([1.0], [[0.0]], ["u"])
    assert alone.value == 0 and np.isnan(alone.low), "one utterance has no interval"
    sure = estimate_eer([1.0, 2.0], [[0.0], [0.5]], ["u", "v"])
    assert (sure.value, sure.low, sure.high) == (0, 0, 0)


def test_recordings_beside_conversions():
    groups = [(f"s{i % 5}", f"t{i % 4}") for i in range(20)]
    speakers = [f"t{i % 4}" for i in range(12)]
    generator = np.random.default_rng(0)
    alike, apart = generator.normal(0, 1, 20), generator.normal(-9, 1, 20)
    real = generator.normal(0, 1, 12)
    near, far = (estimate_eer_against_recordings(real, speakers, some, groups) for some in (alike, apart))
    assert near.value == pytest.approx(equal_error_rate(real, alike)) and near.low <= near.value <= near.high
    assert far.value == 0 and (far.low, far.high) == (0, 0) and far.n == 20
    plain = estimate_eer_against_recordings(real, speakers, alike, [one for one, _ in groups])
    assert plain.value == near.value and np.isfinite([plain.low, plain.high]).all()
    crossed = estimate_eer(alike, [[value - 3, value - 1] for value in alike], groups)
    assert crossed.value == pytest.approx(equal_error_rate(alike, np.r_[alike - 3, alike - 1]), abs=1e-9)
    assert 0 <= crossed.low <= crossed.high <= 1


def test_voices_and_nearest():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    found = verification.average_voices({"x": [a, a], "y": [b, a]})
    assert np.allclose(found["y"], [0.5**0.5, 0.5**0.5])
    assert verification.find_nearest(np.array([1.0, 0.1]), found) == "x"
    assert verification.find_nearest(np.array([0.4, 0.6]), found) == "y"
    assert verification.find_nearest(a, {"q": a, "p": a}) == "p"
    assert verification.cosine(3 * a, a + b) == pytest.approx(0.5**0.5)
