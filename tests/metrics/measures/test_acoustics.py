import numpy as np
import pytest

from vqspeech.errors import AudioError
from vqspeech.metrics.measures.acoustics import (
    ORDER,
    envelope_cepstrum,
    frame_distances,
    framewise_distance,
    mel_cepstral_distance,
    warped_mean_distance,
)


def best_path(distances):
    """Dynamic time warping cell by cell: least sum over (1,1), (1,0), (0,1), and its mean."""
    n, m = distances.shape
    table = {(-1, -1): (0.0, 0)}
    for i in range(n):
        for j in range(m):
            before = [table[c] for c in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if c in table]
            cost, steps = min(before, key=lambda cell: cell[0])
            table[i, j] = (cost + distances[i, j], steps + 1)
    cost, steps = table[n - 1, m - 1]
    return cost / steps


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (7, 4), (5, 9), (12, 12)])
def test_warping_is_that_of_the_oracle(shape):
    distances = np.random.default_rng(sum(shape)).random(shape)
    assert warped_mean_distance(distances) == pytest.approx(best_path(distances))


def test_a_frame_repeated_costs_nothing():
    frames = np.random.default_rng(1).normal(size=(8, ORDER))
    slow = np.repeat(frames, [1, 3, 1, 2, 1, 1, 4, 1], axis=0)
    assert warped_mean_distance(frame_distances(frames, slow)) == pytest.approx(0, abs=1e-5)


def test_ripple_of_known_depth():
    # A ripple of A dB in the log spectrum, one cosine on the mel axis, has a root mean square of A / √2 dB.
    mel = 1127 * np.log1p(np.linspace(0, 8000, 4097) / 700) / (1127 * np.log1p(8000 / 700))
    flat, ripple = np.ones((1, 4097)), 10 ** (3.0 * np.cos(5 * np.pi * mel) / 10)[None]
    assert frame_distances(envelope_cepstrum(flat), envelope_cepstrum(ripple))[0, 0] == pytest.approx(
        3 / np.sqrt(2), rel=1e-3
    )
    assert frame_distances(envelope_cepstrum(flat), envelope_cepstrum(100 * ripple))[0, 0] == pytest.approx(
        3 / np.sqrt(2), rel=1e-3
    )


def test_waveforms(small_data):
    from vqspeech import audio

    pytest.importorskip("pyworld")
    high, low = (audio.read_waveform(some[0].path) for some in small_data.by_speaker.values())
    assert mel_cepstral_distance(high, high) == pytest.approx(0, abs=1e-5)
    assert mel_cepstral_distance(high, 0.5 * high) < 0.5 < mel_cepstral_distance(high, low)
    with pytest.raises(AudioError, match="silent"):
        mel_cepstral_distance(high, np.zeros(16000, dtype=np.float32))


def test_frame_by_frame(small_data):
    from vqspeech import audio

    pytest.importorskip("pyworld")
    high, low = (audio.read_waveform(some[0].path) for some in small_data.by_speaker.values())
    assert framewise_distance(high, high) == 0
    assert framewise_distance(high, np.pad(high, (0, 800))) < 0.5 < framewise_distance(high, low)
    late = np.r_[np.zeros(1600, np.float32), high[:-1600]]
    assert framewise_distance(high, late) > 2 * mel_cepstral_distance(high, late), "no warping mends what comes late"
    noise = 1e-5 * np.random.default_rng(0).standard_normal(8000)
    gap = np.r_[high, noise, high].astype(np.float32)
    noisy = np.r_[high, 1e3 * noise[::-1], high].astype(np.float32)
    assert framewise_distance(gap, noisy) < 0.1 < 1 < framewise_distance(noisy, gap), (
        "the recording says what is silence"
    )
    with pytest.raises(AudioError, match="silent"):
        framewise_distance(high, np.zeros(16000, dtype=np.float32))
