import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech import audio
from vqspeech.models.reference import Reference, average_vectors, measure_similarity, split_recording


@pytest.fixture(scope="module")
def reference() -> Reference:
    torch.manual_seed(0)
    return Reference(16, channels=24).eval()


def speech(seed: int, seconds: float = 2.0) -> torch.Tensor:
    """Noise in syllables, of a spectrum of its own."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * audio.RATE)) / audio.RATE
    noise = np.convolve(generator.standard_normal(len(time)), generator.standard_normal(8), "same")
    return torch.from_numpy(noise * (np.sin(2 * np.pi * 3 * time) > -0.5) * 0.02).float()


@torch.no_grad()
@settings(max_examples=15, deadline=None)
@given(st.floats(-40, 20), st.integers(0, 30), st.integers(0, 30))
def test_level_and_silence_around_change_nothing(reference: Reference, decibels: float, before: int, after: int):
    """Silence in whole tenths of a second, so that the frames lie where they did."""
    wave = speech(0)
    made = torch.cat([torch.zeros(before * 1600), wave * 10 ** (decibels / 20), torch.zeros(after * 1600)])
    quiet = torch.nn.functional.pad(wave, (8000, 8000))
    assert torch.allclose(reference(made[None]), reference(wave[None]), atol=0.15)
    assert torch.allclose(
        reference(torch.nn.functional.pad(made, (8000, 8000))[None]), reference(quiet[None]), atol=0.02
    )


@torch.no_grad()
def test_vectors_have_one_length_and_differ(reference: Reference):
    vectors = reference(torch.stack([speech(1), speech(2)]))
    assert vectors.norm(dim=1).tolist() == pytest.approx([4.0, 4.0])
    assert (vectors[0] * vectors[1]).sum() < 15.9
    both = average_vectors(vectors, torch.tensor([1.0, 3.0]))
    assert both.norm() == pytest.approx(4.0) and (both * vectors[1]).sum() > (both * vectors[0]).sum()
    assert reference(torch.zeros(1, 16000)).isfinite().all(), "silence is no error here"


def test_frames_far_below_the_speech_do_not_count(reference: Reference):
    wave = torch.cat([speech(3), speech(4) * 1e-3])
    _, counts = reference.features(wave[None])
    assert counts[0, :190].float().mean() > 0.5 and not counts[0, 210:].any()


def test_pieces_are_even():
    pieces = split_recording(np.arange(16000 * 10))
    assert len(pieces) == 4 and max(map(len, pieces)) <= 3 * audio.RATE and len(np.concatenate(pieces)) == 160000
    assert len(split_recording(np.zeros(5))) == 1


def test_agreement_is_that_of_the_worst_cut():
    one, other = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    assert measure_similarity(one[None]) == 1 and measure_similarity(torch.stack([one, 2 * one, one])) == pytest.approx(
        1
    )
    assert measure_similarity(torch.stack([one, one, other, other])) == pytest.approx(0)
    between = torch.tensor([1.0, 1.0, 0.0])
    # Cuts behind each of the three: (.707 + 0) / 2 and (0 + .707) / 2.
    assert measure_similarity(torch.stack([one, between, other])) == pytest.approx(0.5**0.5 / 2)
