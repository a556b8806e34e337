import numpy as np
import pytest
from scipy.signal import lfilter

from vqspeech import world
from vqspeech.audio import RATE


def voice(hertz: float, seconds: float = 1.5) -> np.ndarray:
    """Pulses of a pitch that wanders by a semitone, through the formants of a vowel; pauses between the syllables."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = np.cumsum(hertz * 2 ** (np.sin(2 * np.pi * 3 * time) / 12) / RATE)
    sound = np.diff(np.floor(phase), prepend=0.0)
    for formant, band in ((500, 80), (1500, 120), (2500, 160)):
        radius = np.exp(-np.pi * band / RATE)
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return sound / np.abs(sound).max() * np.where(time * 2.5 % 1 < 0.7, 0.5, 0.0)


@pytest.mark.parametrize("hertz", [55, 60, 65, 70, 90, 130, 210, 300])
def test_voices_are_found_at_their_pitch(hertz):
    logs = world.extract_log_f0(voice(hertz))
    assert (logs > 0).mean() > 0.4
    assert np.exp(np.median(logs[logs > 0])) == pytest.approx(hertz, rel=0.03)


@pytest.mark.parametrize("hum", [50, 60])
@pytest.mark.parametrize("hertz", [100, 180, 220])
def test_mains_hum_is_no_low_voice(hertz, hum):
    clean = voice(hertz)
    time = np.arange(len(clean)) / RATE
    overtones = sum(0.003 / k**1.5 * np.sin(2 * np.pi * hum * k * time) for k in (1, 3))
    logs = world.extract_log_f0(clean + overtones)
    assert np.exp(np.median(logs[logs > 0])) == pytest.approx(hertz, rel=0.03)
    assert (np.exp(logs[logs > 0]) < 71).mean() < 0.05


def test_silence_has_no_pitch():
    assert (world.extract_log_f0(np.zeros(RATE)) == 0).all() and (world.extract_log_f0(np.zeros(7)) == 0).all()


def test_f0_stays_in_its_range():
    logs = world.extract_log_f0(np.random.default_rng(0).standard_normal(RATE) * 0.1)
    voiced = np.exp(logs[logs > 0])
    assert (voiced >= world.LOWEST_F0).all() and (voiced <= world.HIGHEST_F0).all()


def test_pieces_join_without_a_seam():
    wave = np.tile(voice(62), 45)  # over a minute
    logs = world.extract_log_f0(wave)
    around = logs[5990:6010]
    assert len(logs) == len(wave) // world.FRAME
    assert np.exp(around[around > 0]) == pytest.approx(62, rel=0.1)


def test_a_minute_at_a_time_is_the_whole(monkeypatch: pytest.MonkeyPatch):
    # In digital silence WORLD finds the noise that it adds itself, anew for each part.
    wave = voice(120.0) + 1e-4 * np.random.default_rng(0).standard_normal(int(1.5 * RATE))
    whole = world.analyse(wave)
    monkeypatch.setattr(world, "_MINUTE", 30)
    found = world.analyse(wave)
    np.testing.assert_allclose(found[:, 2:], whole[:, 2:], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found[:, 0], whole[:, 0], rtol=0, atol=1e-6)
    assert np.abs(found[:, 1] - whole[:, 1]).mean() < 0.1, "dB"
