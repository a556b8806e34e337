import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.pitch import FARTHEST, NARROWEST, WIDEST, correct_octaves, pitch_statistics, transfer_pitch

TARGET = (np.log(210.0), 0.15)


def melody(hertz: float, deviation: float, frames: int = 400, seed: int = 0) -> np.ndarray:
    """Log F0 that wanders smoothly, with unvoiced stretches."""
    generator = np.random.default_rng(seed)
    slow = np.convolve(generator.standard_normal(frames + 40), np.hanning(41), "valid")
    logs = np.log(hertz) + deviation * slow / slow.std()
    logs[(np.arange(frames) // 30) % 3 == 2] = 0
    return logs


def slipped(logs: np.ndarray, octaves: float, frames: int = 5) -> np.ndarray:
    """The same with a few voiced frames off by octaves."""
    found = logs.copy()
    found[100 : 100 + frames] += octaves * np.log(2)
    return found


def test_statistics_are_those_of_a_normal_distribution():
    logs = np.random.default_rng(0).normal(5.0, 0.2, 20000)
    assert pitch_statistics(np.r_[logs, np.zeros(5000)]) == pytest.approx((5.0, 0.2), abs=0.01)
    assert np.isnan(pitch_statistics(np.zeros(50))).all()


@pytest.mark.parametrize("octaves", [-1, 1, 2])
def test_a_tenth_of_slips_moves_the_statistics_little(octaves):
    logs = melody(120, 0.1)
    voiced = np.flatnonzero(logs)
    some = logs.copy()
    some[voiced[::10]] += octaves * np.log(2)
    assert pitch_statistics(some) == pytest.approx(pitch_statistics(logs), abs=0.025)


def test_a_few_slipped_frames_in_flat_speech_change_nothing():
    """They made 882 Hz for a voice of 210."""
    flat = melody(110, 0.01)
    for octaves in (1, -1, 2):
        changed = transfer_pitch(slipped(flat, octaves), TARGET)
        assert np.exp(changed).max() < 240 and np.exp(changed).min() > 180
        assert changed == pytest.approx(transfer_pitch(flat, TARGET), abs=0.02)


@given(st.floats(55, 400), st.floats(0.001, 0.6), st.floats(55, 400), st.floats(0.02, 0.4), st.integers(0, 5))
def test_range_of_the_result(source, spread, target, deviation, seed):
    logs = melody(source, spread, seed=seed)
    found = transfer_pitch(logs, (np.log(target), deviation))
    voiced = logs > 0
    assert len(found) == len(logs) and (found > 0).all(), "continuous: the decoder decides what is voiced"
    assert np.abs(found - np.log(target)).max() <= FARTHEST * deviation + 1e-5
    assert np.median(found[voiced]) == pytest.approx(np.log(target), abs=0.02)
    corrected = correct_octaves(logs)[voiced]
    corrected = corrected - np.median(corrected)
    factor = found[voiced] - np.float32(np.log(target))
    inside = (np.abs(factor) < FARTHEST * deviation - 1e-4) & (np.abs(corrected) > 1e-3)
    ratios = factor[inside] / corrected[inside]
    assert ratios.size == 0 or (ratios.min() > NARROWEST - 0.01 and ratios.max() < WIDEST + 0.01)


def test_a_melody_of_the_same_range_is_only_moved():
    logs = np.log(100) + 0.15 * np.sin(np.arange(400) / 20)
    logs[::7] = 0
    middle, deviation = pitch_statistics(logs)
    found = transfer_pitch(logs, (middle + 0.5, deviation))
    voiced = logs > 0
    assert found[voiced] == pytest.approx(logs[voiced] + 0.5, abs=1e-4)


def test_range_of_the_source_speaker_counts_where_it_is_given():
    logs = melody(150, 0.1)
    found = transfer_pitch(logs, TARGET, (np.log(120.0), 0.1))
    assert np.median(found[logs > 0]) == pytest.approx(TARGET[0] + 1.5 * np.log(150 / 120), abs=0.05)


def test_wide_intervals_of_speech_stay():
    """A rise of an octave within a second and a half is no slip."""
    logs = np.linspace(np.log(100), np.log(200), 150)
    assert np.array_equal(correct_octaves(logs), logs)


def test_nobody_voiced():
    assert (transfer_pitch(np.zeros(20), TARGET) == 0).all()
    assert (transfer_pitch(melody(100, 0.1), (np.nan, np.nan)) == 0).all()
    assert len(transfer_pitch(np.zeros(0), TARGET)) == 0 and len(correct_octaves(np.zeros(0))) == 0
