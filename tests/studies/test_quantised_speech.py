import numpy as np
import pytest
import torch

from tests import reference
from vqspeech.audio import RATE
from vqspeech.models.quantize import quantizer
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.studies.quantised_speech import distances, distortions, qualities, quantised, speech


@pytest.fixture(scope="module")
def heard(small_shards):
    for package in ("pyworld", "pesq", "pystoi"):
        pytest.importorskip(package)
    return speech(small_shards, small_shards, 10**6, 1)


def book_of(*weights):
    stages = []
    for weight in weights:
        stages.append(quantizer("ema", *weight.shape))
        stages[-1].start(torch.as_tensor(weight))
    return ResidualCodebook(stages).eval()


def test_a_code_for_every_frame_is_0_db(heard):
    book = book_of(heard.vectors.unique(dim=0))
    found = distortions(book, heard)
    assert found["sd"] == pytest.approx(0, abs=1e-3)
    assert found["above2"] == found["above4"] == found["dead"] == 0
    assert found["train_mse"] == pytest.approx(0, abs=1e-9)
    ours = qualities(heard, book_of(torch.from_numpy(heard.how.vectors(heard.recordings[0].frames)).unique(dim=0)))
    assert ours == pytest.approx(qualities(heard), abs=1e-3)
    assert ours["pesq_copy"] == pytest.approx(4.644, abs=1e-3)


def test_distances_are_those_of_decoded_envelopes(heard):
    import pyworld

    weights = [heard.vectors[::40], 0.1 * heard.vectors[::50]]
    book, found = book_of(*weights), None
    found = distances(book, heard)
    for i in range(0, len(found), 60):
        vector = heard.how.vectors(heard.held_out[i : i + 1])[0]
        rest = vector.copy()
        for weight in weights:
            rest -= weight[np.square(rest - weight.numpy()).sum(1).argmin()].numpy()
        np.testing.assert_allclose(quantised(book, vector[None])[0], vector - rest, atol=1e-5)
        coded = heard.held_out[[i, i], 2:].astype(np.float64)
        coded[1, 1:] = (vector - rest) * heard.how.scale + heard.how.mean
        powers = pyworld.decode_spectral_envelope(np.ascontiguousarray(coded), RATE, 1024)
        assert found[i] == pytest.approx(reference.spectral_distance(*powers), rel=1e-3)


def test_dead_codes_and_perplexity_are_those_of_the_training_vectors(heard):
    far = torch.full((3, heard.vectors.shape[1]), 1e3)
    found = distortions(book_of(torch.cat([heard.vectors[:1], far])), heard)
    assert found["dead"] == 3 and found["perplexity"] == pytest.approx(1)


def test_the_fingerprint_is_that_of_the_speech(heard, small_shards):
    assert heard.fingerprint == speech(small_shards, small_shards, 10**6, 1).fingerprint
    assert heard.fingerprint != speech(small_shards, small_shards, 100, 1).fingerprint
    assert heard.fingerprint != speech(small_shards, small_shards, 10**6, 2).fingerprint
