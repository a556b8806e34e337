import numpy as np
import pytest

from vqspeech.data.toys import TOYS, unequal_mixture


@pytest.mark.parametrize("name", list(TOYS))
def test_points_are_scaled_and_follow_the_seed(name):
    one, same, other = (TOYS[name](2000, seed) for seed in (3, 3, 4))
    assert one.shape == (2000, 2) and one.dtype == np.float32
    np.testing.assert_allclose(one.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(one.std(0), 1, atol=1e-5)
    assert (one == same).all() and (one != other).any()


def test_the_mixture_is_very_unequal():
    points = unequal_mixture(20_000, 0)
    # Half of the points are of one Gaussian: the densest sixteenth of the square around has far more than its share.
    cells = np.histogram2d(*points.T, bins=12)[0]
    assert cells.max() / len(points) > 0.1 and (cells[cells > 0] < 20).sum() > 10
