import numpy as np
import pytest

from vqspeech.data.envelopes import fit_normalisation, read_active_frames
from vqspeech.metrics.evaluations.resynthesis import measure_resynthesis, resynthesise_recordings


@pytest.fixture(scope="module")
def recordings(small_shards):
    for package in ("pyworld", "pesq", "pystoi"):
        pytest.importorskip(package)
    return resynthesise_recordings(small_shards, 3)


def test_speakers_take_turns_and_the_longest_of_short_ones_come_first(recordings):
    assert [one.name for one in recordings] == ["high-3", "low-3", "high-2"]
    for one in recordings:
        assert len(one.copy) == 160 * len(one.frames) == len(one.recording)


def test_envelopes_as_they_are_make_the_copy(recordings):
    ours, copies = measure_resynthesis(recordings, lambda frames: frames), measure_resynthesis(recordings)
    assert ours == copies
    assert ours.pesq_copy == pytest.approx(4.644, abs=1e-3) and ours.stoi_copy == pytest.approx(1)
    assert ours.pesq_recording < 4.6


def test_one_envelope_for_all_frames_is_worse(small_shards, recordings):
    how = fit_normalisation(read_active_frames(small_shards))
    flat = measure_resynthesis(
        recordings, lambda frames: how.to_frames(frames, np.zeros((len(frames), 39), np.float32))
    )
    copies = measure_resynthesis(recordings)
    assert flat.pesq_copy < copies.pesq_copy - 0.1 and flat.stoi_copy < 0.99
