"""Bit rates and use of the codebook, where they are known."""

import math

import numpy as np
import pytest

from vqspeech.data.units import Units
from vqspeech.metrics.evaluations.units import make_code_rows
from vqspeech.metrics.measures import codebook


def rows(codes, size, rate=50.0):
    units = Units({f"a-{i}": np.array(one) for i, one in enumerate(codes)}, rate, size, "m", "0" * 64)
    return {row["row"]: row["value"] for row in make_code_rows(units)}


def test_one_code_carries_nothing():
    found = rows([[3] * 10, [3] * 5], 8)
    assert found["bit rate at the codes' entropy (bit/s)"].value == found["bit rate at the runs' entropy (bit/s)"].value
    assert found["bit rate at the codes' entropy (bit/s)"].value == 0
    assert found["perplexity"].value == found["codes used"].value == 1
    assert found["bit rate (bit/s)"].value == 150
    assert found["rate of runs (Hz)"].value == pytest.approx(50 * 2 / 15)


def test_all_codes_alike_carry_all():
    found = rows([list(range(8)) * 4] * 2, 8)
    assert found["bit rate at the codes' entropy (bit/s)"].value == pytest.approx(150)
    assert found["bit rate at the runs' entropy (bit/s)"].value == pytest.approx(150)
    assert found["perplexity"].value == pytest.approx(8) and found["codes used"].value == 8


def test_zerospeech_bit_rate_by_hand():
    """N / D · -Σ p log2 p with the symbols a a b c c c over 0.12 s, and of the runs a b c."""
    found = rows([[0, 0, 1, 2, 2, 2]], 4)
    entropy = -sum(p * math.log2(p) for p in (2 / 6, 1 / 6, 3 / 6))
    assert found["bit rate at the codes' entropy (bit/s)"].value == pytest.approx(6 / 0.12 * entropy)
    assert found["bit rate at the runs' entropy (bit/s)"].value == pytest.approx(3 / 0.12 * math.log2(3))
    assert codebook.entropy_rate(50.0, np.array([2, 1, 3])) == pytest.approx(50 * entropy)


def test_intervals_are_over_utterances():
    random = np.random.default_rng(0)
    found = rows([random.integers(0, 8, 30) for _ in range(20)], 8)["perplexity"]
    assert found.low < found.value < found.high and found.n == 20
    assert math.isnan(rows([[1, 2]], 8)["perplexity"].low)
