import numpy as np
import pytest

from tests import reference
from vqspeech.metrics.measures.acoustics import spectral_distances, spectral_distortion


def test_distances_are_the_oracles():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 7, 33))
    wanted = [reference.spectral_distance(np.exp(x), np.exp(y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spectral_distances(a, b), wanted, rtol=1e-9)


def test_known_distances():
    flat = np.zeros((3, 16))
    assert (spectral_distances(flat, flat) == 0).all(), "nothing changed is 0 dB"
    louder = flat + np.log([[10.0], [100.0], [0.1]])
    np.testing.assert_allclose(spectral_distances(flat, louder), [10, 20, 10])
    half = np.where(np.arange(16) < 8, np.log(10.0), 0.0)[None]
    assert spectral_distances(flat[:1], half) == pytest.approx(10 / np.sqrt(2)), "half of the band is 10 dB off"


def test_outliers_are_above_the_bounds():
    found = spectral_distortion(np.array([0.0, 2.0, 2.001, 4.0, 5.0]))
    assert found == (pytest.approx(13.001 / 5), 3 / 5, 1 / 5)
