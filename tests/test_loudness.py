"""Normalisation: level, offset, pauses and faint noise change nothing, and come back in what is said."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tests.conftest import buzz
from vqspeech import loudness
from vqspeech.errors import AudioError

SPEECH = np.r_[buzz(0.6, 120), np.zeros(1600, np.float32), buzz(0.5, 170)]


def noise(seconds: float, decibels: float) -> np.ndarray:
    wave = np.random.default_rng(1).standard_normal(round(seconds * 16000))
    return (10 ** (decibels / 20) * wave).astype(np.float32)


def decibels(wave: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-20)


def test_speech_comes_to_one_level():
    samples, gain = loudness.normalise(SPEECH)
    wave = loudness.to_float(samples)
    powers = scipy.signal.medfilt(
        np.square(wave, dtype=np.float64)[: len(wave) // 160 * 160].reshape(-1, 160).mean(1), 15
    )
    assert 10 * np.log10(powers[powers > powers.max() / 10**2.2].mean()) == pytest.approx(-26, abs=0.01)
    filtered = np.asarray(scipy.signal.sosfilt(scipy.signal.butter(2, 30, "highpass", fs=16000, output="sos"), SPEECH))
    assert samples.dtype == np.int16
    np.testing.assert_allclose(wave[1000:], (filtered * gain)[1000:], atol=2e-5)  # its first sample is an offset


@settings(max_examples=40, deadline=None)
@given(
    decibel=st.floats(-40, 20),
    offset=st.floats(-0.3, 0.3),
    seconds=st.tuples(st.floats(0, 40), st.floats(0, 40)),
    faint=st.sampled_from([None, -60.0, -75.0]),
)
def test_level_offset_and_pauses_change_nothing(decibel, offset, seconds, faint):
    around = [np.zeros(round(s * 16000), np.float32) if faint is None else noise(s, faint) for s in seconds]
    scale = np.float32(10 ** (decibel / 20))
    wave = np.r_[around[0], SPEECH, around[1]] * (scale if faint is None else 1) + np.float32(offset)
    plain, found = loudness.normalise(SPEECH), loudness.normalise(wave)
    assert found.gain * (scale if faint is None else 1) == pytest.approx(plain.gain, rel=0.02)  # .2 dB
    speech = found.samples[len(around[0]) :][: len(SPEECH)] * (
        plain.gain / found.gain / (scale if faint is None else 1)
    )
    assert np.abs(speech - plain.samples)[3200:].max() <= 3, "and but for the scale the very samples"


def test_blocks_are_one_recording():
    whole = loudness.normalise(SPEECH + np.float32(0.1))
    blocks = np.array_split(SPEECH + np.float32(0.1), 7)
    found = loudness.normalise(iter([blocks[0], np.zeros(0, np.float32), *blocks[1:]]))
    np.testing.assert_array_equal(found.samples, whole.samples)
    assert found.gain == whole.gain


@pytest.mark.parametrize("wave", [np.zeros(8000, np.float32), noise(2, -90), np.zeros(160, np.float32)])
def test_silence_stays_as_it_is(wave):
    source = loudness.normalise(wave)
    assert source.gain == 1 and np.abs(source.samples).max() <= 2 * np.abs(wave).max() * 32768 + 1
    assert decibels(loudness.restore(buzz(len(wave) / 16000, 120), source)) <= decibels(wave)


def test_what_is_said_has_the_level_of_the_source_and_its_silence():
    quiet, pause = SPEECH * np.float32(0.01), np.zeros(16000, np.float32)
    source = loudness.normalise(np.r_[pause, quiet, noise(1, -90), pause])
    model = buzz(len(source.samples) / 16000, 200) * np.float32(0.1)  # speaks everywhere, at its own level
    restored = loudness.restore(model, source)
    speech = slice(len(pause), len(pause) + len(quiet))
    np.testing.assert_allclose(restored[speech][1600:8000], model[speech][1600:8000] / source.gain, rtol=1e-5)
    assert not restored[: len(pause) - 320].any() and not restored[-len(pause) + 320 :].any()
    end = slice(speech.stop + 1600, speech.stop + 14400)
    assert decibels(restored[end]) <= -90 + 0.1
    assert len(loudness.restore(model[:777], source)) == 777


def test_a_click_is_no_speech():
    click = np.zeros(16000, np.float32)
    click[8000:8030] = 0.9
    assert loudness.normalise(np.r_[SPEECH, click]).gain == pytest.approx(loudness.normalise(SPEECH).gain, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=6))
def test_parts_are_restored_as_the_whole(cuts):
    source = loudness.normalise(np.r_[np.zeros(5000, np.float32), SPEECH, noise(0.5, -70)])
    sound = buzz(len(source.samples) / 16000, 200)
    parts = [*np.split(sound, sorted(cuts)), sound[:99]]  # what is behind the source's end is cut off
    found = [*loudness.restore_parts(iter(parts), source)]
    np.testing.assert_array_equal(np.concatenate(found), loudness.restore(sound, source))


def test_pauses_may_keep_the_sound_of_the_source():
    room = noise(1, -60)
    wave = np.r_[room, SPEECH, room]
    source = loudness.normalise(wave)
    model = buzz(len(source.samples) / 16000, 200) * np.float32(0.1)
    [*parts] = loudness.restore_parts(iter(np.array_split(model, 7)), source, keep_pauses=True)
    kept = np.concatenate(parts)
    heard = loudness.to_float(source.samples) / np.float32(source.gain)
    np.testing.assert_allclose(kept[:12_000], heard[:12_000], atol=1e-6)
    speech = slice(len(room) + 1600, len(room) + 8000)
    np.testing.assert_allclose(kept[speech], model[speech] / source.gain, rtol=1e-5)
    assert decibels(loudness.restore(model, source)[:12_000]) <= decibels(heard[:12_000]) + 0.1


@pytest.mark.parametrize("rate", [16000, 48000])
def test_loudness_is_that_of_the_broadcasters(rate):
    pytest.importorskip("pyloudnorm", reason="not installed: bash tools/install.sh loudness")
    # EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS has -23 LUFS, so one channel of it has 3.01 less.
    sine = np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate).astype(np.float32)
    found = loudness.set_loudness(0.3 * sine, -26.01, rate)
    assert 20 * np.log10(np.abs(found).max()) == pytest.approx(-23, abs=0.1)
    assert np.abs(loudness.set_loudness(0.3 * sine, 0.0, rate)).max() == pytest.approx(1.0), "nothing is clipped"
    silence = np.zeros(rate, np.float32)
    assert not loudness.set_loudness(silence, -23, rate).any()
    with pytest.raises(AudioError, match=r"measured over 0\.4 s; there are 0\.25 s"):
        loudness.set_loudness(sine[: rate // 4], -23, rate)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=5), st.integers(0, 9000), st.floats(-0.3, 0.3))
def test_the_high_pass_is_that_of_scipy(cuts, length, offset):
    wave = np.random.default_rng(length).normal(offset, 0.1, length).astype(np.float32)
    filters = signal.butter(2, loudness.CUTOFF, "highpass", fs=16000, output="sos")
    start = signal.sosfilt_zi(filters) * (wave[:1600].mean(dtype=np.float64) if length else 0.0)
    expected = signal.sosfilt(filters, wave.astype(np.float64), zi=start)[0] if length else wave
    found = np.concatenate([*loudness._high_passed(np.split(wave, sorted(min(one, length) for one in cuts)))])
    np.testing.assert_allclose(found, expected, atol=1e-6)
