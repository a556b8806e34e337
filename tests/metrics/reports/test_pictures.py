"""Pictures of codes over their recording."""

import numpy as np
import pytest

from tests.conftest import buzz
from vqspeech.metrics.reports.pictures import LONGEST, draw_codes

CODES = np.repeat([3, 7, 3, 5], [30, 40, 20, 10])
"""4 s at 25 Hz; the second code goes on from 1.2 to 2.8 s, the third over the end of the first line."""


@pytest.fixture
def panels():
    return draw_codes(buzz(4, 120), CODES, 25.0).axes


def test_lines_follow_each_other(panels):
    assert len(panels) == 4
    limits = [axes.get_xlim() for axes in panels]
    assert limits == [(0, LONGEST)] * 2 + [(LONGEST, 2 * LONGEST)] * 2


def test_codes_are_where_they_are_spoken(panels):
    spans = [[(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches] for axes in panels[::2]]
    assert np.allclose(spans[0], [(0, 1.2), (1.2, 2.8), (2.8, 3)])
    assert np.allclose(spans[1], [(3, 3.6), (3.6, 4)])
    assert [[text.get_text() for text in axes.texts] for axes in panels[::2]] == [["3", "7", "3"], ["3", "5"]]


def test_the_spectrogram_is_where_it_is_heard():
    """A click at 3.5 s is at 3.5 s of the second line."""
    wave = 0.001 * buzz(4, 120)
    wave[56_000:56_100] = 0.9
    image = draw_codes(wave, CODES, 25.0).axes[3].images[0]
    left, right, *_ = image.get_extent()
    assert (left, right) == (3, 4)
    powers = np.asarray(image.get_array())
    column = int(powers.mean(axis=0).argmax())
    assert 3 + (column + 0.5) / powers.shape[1] == pytest.approx(3.5, abs=0.03)
