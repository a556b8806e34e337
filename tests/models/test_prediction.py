"""Filters of spectral envelopes, and speech without them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_toeplitz

from tests.conftest import buzz
from vqspeech import world
from vqspeech.models.decoders.prediction import ORDER, REACH, STEP, Prediction


def speech_frames(seed: int, frames: int = 6, spread: float = 1.0, voiced: float = 0.7) -> torch.Tensor:
    """WORLD frames `(1, CHANNELS, frames)` about as those of speech: large coefficients first, some frames voiced."""
    generator = np.random.default_rng(seed)
    made = np.zeros((1, world.CHANNELS, frames), np.float32)
    made[:, 2:] = generator.normal(size=(world.ENVELOPE, frames)) * spread / np.arange(1, world.ENVELOPE + 1)[:, None]
    made[:, 2] -= 8
    made[:, 0] = generator.uniform(4.2, 5.8, frames) * (generator.uniform(size=frames) < voiced)
    return torch.from_numpy(made)


def noise(seed: int, samples: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(1, samples)).astype(np.float32))


def correlations(frames: torch.Tensor) -> np.ndarray:
    """Autocorrelations `(places, ORDER + 1)` of the power spectra in the middle of each place, one by one."""
    spectra = np.exp(world.decode_log_envelope(frames[0, 2:].T.numpy()).astype(np.float64))
    found = []
    for place in range(2 * len(spectra)):
        at = (place + 0.5) / 2
        frame = int(at)
        after = spectra[min(frame + 1, len(spectra) - 1)]
        power = (1 - (at - frame)) * spectra[frame] + (at - frame) * after
        lags = np.fft.irfft(power)[: ORDER + 1]
        lags[0] = lags[0] * 1.0001 + 2.5e-9
        found.append(lags)
    return np.array(found)


def test_weights_solve_the_normal_equations():
    frames = speech_frames(0)
    made = Prediction.of(frames)
    for place, lags in enumerate(correlations(frames)):
        weights = solve_toeplitz(lags[:-1], lags[1:])
        np.testing.assert_allclose(made.weights[0, place], weights, atol=1e-4)
        error = lags[0] - weights @ lags[1:]
        assert made.deviation[0, place] == pytest.approx(error**0.5, rel=1e-4)


def test_periods_follow_the_pitch_between_frames():
    logs = np.log(np.array([100.0, 200.0, 1.0, 1.0, 400.0, 2000.0]))
    frames = torch.zeros(1, world.CHANNELS, 6)
    frames[0, 0] = torch.from_numpy(logs)
    periods = Prediction.of(frames).periods[0].numpy()
    assert periods.shape == (6 * world.FRAME,)
    assert periods[0] == pytest.approx(160, abs=1) and periods[80] == pytest.approx(160 / 2**0.5, abs=1)
    assert periods[160:240] == pytest.approx(80) and not periods[240 : 4 * 160 - 80].any(), "as the nearest frame"
    assert periods[4 * 160 - 80 : 4 * 160] == pytest.approx(40) and periods[-1] == 20, "and 800 Hz at most"


def test_excitation_is_what_the_past_does_not_tell():
    made, wave = Prediction.of(speech_frames(2)), noise(2, 6 * world.FRAME)
    x, found = wave[0].double().numpy(), made.excitation(wave)[0].numpy()
    periods = made.periods[0].numpy()
    flat = np.zeros(len(x))
    for t in range(ORDER, len(x)):
        weights = made.weights[0, t // STEP].double().numpy()
        told = sum(weights[k - 1] * x[t - k] for k in range(1, ORDER + 1))
        flat[t] = (x[t] - told) / made.deviation[0, t // STEP]
    assert (periods > 0).any() and (periods == 0).any()
    for t in range(0, len(x), 7):
        told = 0.0
        if periods[t]:
            places = [round(t - periods[t]) + k for k in range(-REACH, REACH + 1)]
            weights = [0.7 / (0.7**2 + (t - periods[t] - place) ** 2) for place in places]
            told = sum(
                0.95 * weight / sum(weights) * flat[place]
                for place, weight in zip(places, weights, strict=True)
                if place >= 0
            )
        assert found[t] == pytest.approx(flat[t] - told, rel=1e-3, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 2))
def test_speech_is_the_inverse(seed, spread):
    made = Prediction.of(torch.cat([speech_frames(seed, spread=spread), speech_frames(seed + 1)]))
    drawn = torch.cat([noise(seed, 6 * world.FRAME), noise(seed + 1, 6 * world.FRAME)])
    drawn[:, :ORDER] = 0
    speech = made.speech(drawn)
    assert torch.isfinite(speech).all()
    torch.testing.assert_close(made.excitation(speech), drawn, atol=5e-3, rtol=0)


def bands(wave: np.ndarray) -> np.ndarray:
    """Power of eight bands, in dB."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    return 10 * np.log10([band.mean() for band in np.array_split(power, 8)])


def test_excitation_of_speech_is_flat_and_of_deviation_1():
    """A buzz, and noise behind a resonance, whose frames WORLD has measured."""
    hiss = (
        Prediction.of(speech_frames(3, frames=100, spread=3, voiced=0)).speech(noise(4, 100 * world.FRAME))[0].numpy()
    )
    for wave in (buzz(1.0, 150), hiss * (0.1 / hiss.std())):
        frames = torch.from_numpy(world.analyse(wave).T[None])
        found = Prediction.of(frames).excitation(torch.from_numpy(wave.astype(np.float32))[None])[0].numpy()[1600:-1600]
        assert 0.25 < found.std() < 2
        assert np.ptp(bands(found)) < np.ptp(bands(wave[1600:-1600])) / 2, "bands differ by half as many dB at most"


def test_noise_through_the_filters_has_the_pitch_of_the_frames():
    """What the network draws may be noise: the pitch is in the filter."""
    frames = speech_frames(8, frames=100, voiced=1)
    frames[:, 0], frames[:, 3:] = np.log(160.0), 0  # a period of 100 samples, a flat spectrum
    made = Prediction.of(frames).speech(noise(9, 100 * world.FRAME))[0].numpy()[1600:]
    alike = [np.corrcoef(made[: -2 * lag], made[lag:-lag])[0, 1] for lag in (97, 100, 150)]
    assert alike[1] > 0.4 and max(alike[0], alike[2]) < alike[1] / 2


@pytest.mark.parametrize("level", [-400.0, 0.0, 60.0])
def test_silence_and_noise_beyond_measure_have_filters(level):
    frames = torch.zeros(1, world.CHANNELS, 4)
    frames[:, 2] = level
    made = Prediction.of(frames)
    assert torch.isfinite(made.weights).all() and (made.deviation > 0).all() and torch.isfinite(made.deviation).all()


def test_excitation_is_exact_where_a_network_is_trained_in_half_precision():
    made, wave = Prediction.of(speech_frames(7)), noise(7, 6 * world.FRAME)
    with torch.autocast("cpu", torch.bfloat16):
        half = Prediction.of(speech_frames(7)).excitation(wave)
    assert torch.equal(half, made.excitation(wave))


def test_utterances_do_not_hang_on_their_company():
    frames, wave = torch.cat([speech_frames(5), speech_frames(6)]), noise(7, 6 * world.FRAME).repeat(2, 1)
    both, one = Prediction.of(frames), Prediction.of(frames[:1])
    assert torch.equal(both.speech(wave)[:1], one.speech(wave[:1]))
