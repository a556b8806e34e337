from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfilt

from tests.models.live.small import speech
from vqspeech import loudness
from vqspeech.models.live import BLOCK
from vqspeech.models.live.frontend import FRAMES, HOP, LEVELS, MELS, LiveFrontend


def heard(sound: np.ndarray, frontend: LiveFrontend | None = None) -> dict[str, Any]:
    """What the front end makes of a sound, by name, over time."""
    frontend = frontend or LiveFrontend()
    state = torch.zeros(1, sum(frontend.sizes))
    found = []
    for block in torch.from_numpy(sound[: len(sound) // BLOCK * BLOCK]).view(-1, 1, BLOCK):
        *made, state = frontend(block, state)
        found.append([one[0].numpy() for one in made])
    features, wave, powers, gains = (np.concatenate(one) for one in zip(*found, strict=True))
    return {"features": features.reshape(-1, MELS), "wave": wave, "powers": powers, "gains": gains, "state": state}


def test_sound_is_high_passed_as_a_whole_recording_is():
    sound = speech() + np.float32(0.3)
    filters = butter(2, loudness.CUTOFF, "highpass", fs=loudness.RATE, output="sos")
    wanted = sosfilt(filters, sound.astype(np.float64) - sound[0])
    found = heard(sound)
    assert found["wave"] == pytest.approx(wanted[: len(found["wave"])], abs=2e-6)
    assert found["powers"] == pytest.approx(loudness.frame_powers(found["wave"]), rel=1e-5)


def test_level_becomes_that_of_the_whole_recording():
    """The oracle is the level of a recording that is known from its beginning to its end."""
    sound = np.tile(speech(), 8) * 0.1
    assert heard(sound)["gains"][-1] == pytest.approx(loudness.normalise(sound).gain, rel=0.1)


def test_level_and_offset_of_a_stream_change_nothing():
    sound = speech()
    plain = heard(sound)
    for other in (sound * np.float32(0.07), sound + np.float32(0.2)):
        moved = heard(other)
        assert moved["features"][20:] == pytest.approx(plain["features"][20:], abs=0.05)


def test_pauses_change_nothing():
    sound = speech()
    pause = np.random.default_rng(1).normal(0, 1e-3, 3 * 16_000).astype(np.float32)
    long = heard(np.concatenate([sound, pause, sound]))["features"][-len(sound) // HOP + 1 :]
    short = heard(np.concatenate([sound, sound]))["features"][-len(sound) // HOP + 1 :]
    assert np.abs(long - short).mean() < 0.05


def test_a_click_is_no_speech():
    sound = np.tile(speech(), 3) * 0.1
    clicked = sound.copy()
    clicked[8000:8010] = 1.0
    assert heard(clicked)["gains"][-1] == pytest.approx(heard(sound)["gains"][-1], rel=0.15)


def test_nothing_is_known_of_what_comes():
    sound = speech()
    changed = sound.copy()
    changed[10 * BLOCK :] = 0
    features = heard(sound)["features"], heard(changed)["features"]
    assert np.array_equal(features[0][: 10 * FRAMES], features[1][: 10 * FRAMES])


def test_levels_are_forgotten_in_the_end():
    """After a bang, speech that is far softer is what the level is of again: bangs of 40 ms are for 25 s."""
    counts, power = torch.zeros(1, LEVELS), torch.full((1, 1), 1e-6)
    frontend = LiveFrontend()
    for _ in range(4):
        counts = frontend._level(torch.full((1, 1), 1.0), counts)[0]
    gains = []
    for _ in range(2500):
        counts, gain, _ = frontend._level(power, counts)
        gains.append(float(gain))
    assert gains[0] < 0.1 and gains[-1] == pytest.approx(np.sqrt(loudness.db_to_power(loudness.LEVEL) / 1e-6), rel=0.1)


def test_digital_silence_is_finite():
    found = heard(np.concatenate([np.zeros(16_000, np.float32), speech(), np.zeros(16_000, np.float32)]))
    assert all(np.isfinite(one).all() for one in found.values())
    assert (found["gains"][:50] == 1).all()
