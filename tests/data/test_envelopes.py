import numpy as np
import pytest

from vqspeech import world
from vqspeech.audio import RATE
from vqspeech.data.dump import write_shards
from vqspeech.data.envelopes import DIMENSION, find_active_frames, fit_normalisation, read_active_frames
from vqspeech.errors import ShardError


@pytest.fixture
def frames(small_shards):
    pytest.importorskip("pyworld")
    return read_active_frames(small_shards)


def test_vectors_and_back(frames):
    how = fit_normalisation(frames)
    vectors = how.to_vectors(frames)
    assert vectors.shape == (len(frames), DIMENSION) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-3)
    assert np.square(vectors).mean() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(how.to_frames(frames, vectors), frames.astype(np.float32), atol=1e-4)


def test_only_the_shape_is_replaced(frames):
    how = fit_normalisation(frames)
    replaced = how.to_frames(frames, np.zeros((len(frames), DIMENSION), np.float32))
    assert (replaced[:, :3] == frames[:, :3]).all(), "F0, aperiodicity and level stay"
    assert (replaced[:, 3:] == how.mean).all()


def test_distances_are_those_of_log_spectra_on_the_mel_axis(frames):
    import pyworld

    how = fit_normalisation(frames)
    a, b = np.random.default_rng(0).choice(frames.astype(np.float64), (2, 30))
    b[:, 2] = a[:, 2]  # the same level
    mel = np.linspace(0, 1127 * np.log1p(RATE / 2 / 700), 2000)
    places = 700 * np.expm1(mel / 1127) / (RATE / 2) * 512
    logs = [np.log(pyworld.decode_spectral_envelope(np.ascontiguousarray(one[:, 2:]), RATE, 1024)) for one in (a, b)]
    difference = np.array([np.interp(places, np.arange(513), row) for row in logs[0] - logs[1]])
    on_axis = np.sqrt(np.square(difference).mean(axis=1))
    between = np.sqrt(np.square(how.to_vectors(a) - how.to_vectors(b)).sum(axis=1))
    ratios = on_axis / between
    assert ratios.std() / ratios.mean() < 0.03


def test_log_envelope_is_that_of_the_vocoder(frames):
    import pyworld

    coded = frames[:20, 2:].astype(np.float64)
    wanted = np.log(pyworld.decode_spectral_envelope(np.ascontiguousarray(coded), RATE, 1024))
    np.testing.assert_allclose(world.decode_log_envelope(coded), wanted, atol=1e-4)


def test_silence_is_left_out(small_shards):
    loud = small_shards.world(0).astype(np.float32)
    quiet = loud.copy()
    quiet[:, 2] -= 12  # c0: 12 nepers of power are 52 dB
    assert world.decode_log_envelope(loud[:1, 2:] - quiet[:1, 2:]).mean() == pytest.approx(12, rel=0.02)
    both = np.concatenate([loud, quiet])
    assert not find_active_frames(both)[len(loud) :].any()
    assert (find_active_frames(both)[: len(loud)] == find_active_frames(loud)).all()


def test_frames_are_spread_evenly(small_shards, frames):
    some = read_active_frames(small_shards, 10)
    assert len(some) == 10 and (some == frames[np.arange(10) * len(frames) // 10]).all()
    assert len(read_active_frames(small_shards, 10**6)) == len(frames)


def test_faults(small_data, frames, tmp_path):
    plain, _ = write_shards(small_data.subset(per_speaker=1), tmp_path / "plain")
    with pytest.raises(ShardError, match="vqspeech dump --world"):
        read_active_frames(plain)
    for same in (frames[:1], frames[:0], np.repeat(frames[:1], 5, axis=0)):
        with pytest.raises(ShardError, match="two different"):
            fit_normalisation(same)
