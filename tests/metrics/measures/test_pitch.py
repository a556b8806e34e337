import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.metrics.measures.acoustics import FEWEST, compare_with_source, compare_with_voice


def contour(seed, frames=200, mean=5.0, deviation=0.2):
    generator = np.random.default_rng(seed)
    logs = mean + deviation * generator.standard_normal(frames)
    logs[generator.random(frames) < 0.3] = 0
    return logs


@given(st.floats(-1, 1), st.floats(0.3, 3))
def test_a_moved_and_stretched_contour(move, stretch):
    logs = contour(0)
    voiced = logs > 0
    middle = np.median(logs[voiced])
    made = np.where(voiced, (logs - middle) * stretch + middle + move, 0)
    found = compare_with_source(made, logs)
    assert found["correlation"] == pytest.approx(1) and found["voicing"] == 1
    assert found["distance"] == pytest.approx(abs(move) * 12 / np.log(2), abs=1e-6)
    assert compare_with_voice(made, logs)["deviation"] == pytest.approx(stretch)


def test_an_octave_is_twelve_semitones():
    assert compare_with_voice(np.full(50, np.log(200)), np.full(50, np.log(100)))["distance"] == pytest.approx(12)


def test_correlation_is_over_frames_voiced_in_both():
    a, b = contour(1), contour(2)
    both = (a > 0) & (b > 0)
    rows = [(x, y) for x, y in zip(a, b, strict=True) if x > 0 and y > 0]
    x, y = np.array(rows).T
    x, y = x - x.mean(), y - y.mean()
    found = compare_with_source(a, b)
    assert found["correlation"] == pytest.approx((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
    assert found["voicing"] == pytest.approx(np.mean([(p > 0) == (q > 0) for p, q in zip(a, b, strict=True)]))
    assert found["voicing"] < 1 and both.sum() < (a > 0).sum()
    assert compare_with_source(np.r_[a, 9.0, 9.0], b) | {"distance": 0} == found | {"distance": 0}, (
        "what is longer is cut"
    )


def test_too_little_voice_is_left_out():
    a = np.zeros(100)
    a[: FEWEST - 1] = 5.0
    assert compare_with_voice(a, contour(0)) == {}
    assert compare_with_source(a, contour(0)).keys() == {"voicing"}
    assert compare_with_source(np.zeros(0), np.zeros(0)) == {}
    flat = np.full(100, 5.0)
    assert "correlation" not in compare_with_source(flat, contour(0, 100)), "a monotone has none"
    assert "deviation" not in compare_with_voice(flat, flat)
