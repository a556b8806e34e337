import numpy as np
import pytest
import torch

from tests.models.live.small import live_model, speech
from vqspeech import audio
from vqspeech.models.live import BLOCK
from vqspeech.models.live.frontend import HOP
from vqspeech.models.live.tracker import PAST, TONES, WAIT, WINDOW, PitchCarrier, PitchTracker
from vqspeech.pitch import FARTHEST


@pytest.mark.parametrize("hertz", [55.0, 110.0, 233.0, 520.0])
def test_sound_repeats_at_its_period(hertz: float):
    """At the tone of its F0, wholly, and at no tone above it."""
    time = np.arange(WINDOW) / audio.RATE
    harmonics = sum(np.cos(2 * np.pi * hertz * k * time + k) / k for k in range(1, int(2500 / hertz)))
    found = PitchTracker().periodicity(torch.from_numpy(harmonics).float()[None, None])[0, 0].numpy()
    for half in np.split(found, 2):
        there = np.argmin(np.abs(TONES - hertz))
        assert half[there] > 0.5
        assert half[1.1 * hertz < TONES].max(initial=0) < half[there]
    quiet = PitchTracker().periodicity(torch.zeros(1, 1, WINDOW))
    assert quiet.isfinite().all()


def test_level_plays_no_part():
    window = torch.randn(1, 1, WINDOW)
    tracker = PitchTracker()
    assert torch.allclose(tracker.periodicity(window), tracker.periodicity(window * 0.01), atol=1e-3)


def test_a_stream_is_what_is_found_in_the_whole():
    tracker = live_model().tracker
    sound = speech()[: 40 * BLOCK]
    windows = torch.from_numpy(np.pad(sound, WINDOW // 2)).unfold(0, WINDOW, HOP)[None]
    with torch.inference_mode():
        whole = tracker.decode_pitch(tracker.scores(tracker.periodicity(windows))[0])[0, WAIT:]
        past, state, found = torch.zeros(1, PAST), torch.zeros(1, *tracker.state_shape), []
        for k, block in enumerate(torch.from_numpy(sound).view(-1, 1, BLOCK)):
            logs, past, state = tracker(block, past, state)
            found += [(2 * k - 5, logs[0, 0]), (2 * k - 4, logs[0, 1])]
    frames = np.array([frame for frame, _ in found])
    logs = torch.stack([one for _, one in found])
    # Ahead of the stream there is silence; in the whole there is nothing.
    settled = frames > 20
    assert torch.allclose(logs[settled], whole[frames[settled]], atol=1e-4)  # pyright: ignore


def test_few_weights():
    assert sum(one.numel() for one in PitchTracker().parameters()) < 100_000


def carried(logs: list[float], median: float, deviation: float, shift: float = 0.0, keep: bool = False) -> list[float]:
    carrier, state, found = PitchCarrier(), torch.zeros(1, 2), []
    for pair in torch.tensor(logs).view(-1, 1, 2):
        moved, state = carrier(pair, torch.tensor([[median, deviation, shift, float(keep)]]), state)
        found += moved[0].tolist()
    return found


def test_melody_moves_into_the_range_of_the_voice():
    logs = [5.0, 5.2, 0.0, 4.9, 5.1, 5.0, 0.0, 5.0]
    moved = carried(logs * 50, 5.6, 0.2)
    assert [one > 0 for one in moved] == [one > 0 for one in logs * 50]
    assert np.mean([one for one in moved if one]) == pytest.approx(5.6, abs=0.01)
    assert moved[-1] - moved[-3] == pytest.approx(-0.0 if logs[-1] == logs[-3] else logs[-1] - logs[-3], abs=1e-3)
    assert moved[0] == pytest.approx(5.6), "the first frame is all that is known"
    assert carried(logs, 5.6, 0.2, 0.1, keep=True) == pytest.approx([one and one + 0.1 for one in logs])


def test_melody_stays_near_the_voice():
    moved = carried([5.0] * 100 + [6.0, 6.0], 5.6, 0.1)
    assert moved[-1] == pytest.approx(5.6 + FARTHEST * 0.1)


def test_a_voice_that_is_never_voiced_stays_so():
    assert carried([5.0, 5.1], 0.0, 0.0, 0.2) == [0.0, 0.0]
