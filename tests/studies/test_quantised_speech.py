import numpy as np
import pytest
import torch

from tests import reference
from vqspeech.audio import RATE
from vqspeech.models.quantize import make_quantizer
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.studies.quantised_speech import (
    measure_distances,
    measure_distortion,
    measure_quality,
    quantise_vectors,
    select_speech,
)


@pytest.fixture(scope="module")
def speech(small_shards):
    for package in ("pyworld", "pesq", "pystoi"):
        pytest.importorskip(package)
    return select_speech(small_shards, small_shards, 10**6, 1)


def book_of(*weights):
    stages = []
    for weight in weights:
        stages.append(make_quantizer("ema", *weight.shape))
        stages[-1].start(torch.as_tensor(weight))
    return ResidualCodebook(stages).eval()


def test_a_code_for_every_frame_is_0_db(speech):
    book = book_of(speech.vectors.unique(dim=0))
    found = measure_distortion(book, speech)
    assert found["sd"] == pytest.approx(0, abs=1e-3)
    assert found["above2"] == found["above4"] == found["dead"] == 0
    assert found["train_mse"] == pytest.approx(0, abs=1e-9)
    ours = measure_quality(
        speech, book_of(torch.from_numpy(speech.normalisation.to_vectors(speech.recordings[0].frames)).unique(dim=0))
    )
    assert ours == pytest.approx(measure_quality(speech), abs=1e-3)
    assert ours["pesq_copy"] == pytest.approx(4.644, abs=1e-3)


def test_distances_are_those_of_decoded_envelopes(speech):
    import pyworld

    weights = [speech.vectors[::40], 0.1 * speech.vectors[::50]]
    book, found = book_of(*weights), None
    found = measure_distances(book, speech)
    for i in range(0, len(found), 60):
        vector = speech.normalisation.to_vectors(speech.held_out[i : i + 1])[0]
        rest = vector.copy()
        for weight in weights:
            rest -= weight[np.square(rest - weight.numpy()).sum(1).argmin()].numpy()
        np.testing.assert_allclose(quantise_vectors(book, vector[None])[0], vector - rest, atol=1e-5)
        coded = speech.held_out[[i, i], 2:].astype(np.float64)
        coded[1, 1:] = (vector - rest) * speech.normalisation.scale + speech.normalisation.mean
        powers = pyworld.decode_spectral_envelope(np.ascontiguousarray(coded), RATE, 1024)
        assert found[i] == pytest.approx(reference.spectral_distance(*powers), rel=1e-3)


def test_dead_codes_and_perplexity_are_those_of_the_training_vectors(speech):
    far = torch.full((3, speech.vectors.shape[1]), 1e3)
    found = measure_distortion(book_of(torch.cat([speech.vectors[:1], far])), speech)
    assert found["dead"] == 3 and found["perplexity"] == pytest.approx(1)


def test_the_fingerprint_is_that_of_the_speech(speech, small_shards):
    assert speech.fingerprint == select_speech(small_shards, small_shards, 10**6, 1).fingerprint
    assert speech.fingerprint != select_speech(small_shards, small_shards, 100, 1).fingerprint
    assert speech.fingerprint != select_speech(small_shards, small_shards, 10**6, 2).fingerprint
