from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.recorded import voice_model, vowels
from tests.models.test_vqvae import model as world_model
from vqspeech import loudness
from vqspeech.errors import ConfigError
from vqspeech.models import retrieval
from vqspeech.models.quantize import Codebook
from vqspeech.models.retrieval import ExemplarSums, move_to_exemplars

SOURCE = vowels(110, 1.3)
RECORDINGS = [vowels(210, 2.0), vowels(220, 1.5, formant=700.0)]


@pytest.fixture(scope="module")
def vqvae():
    return voice_model("decoder.conditioning=continuous")


@pytest.fixture(scope="module")
def voice(vqvae):
    return vqvae.make_voice(RECORDINGS, "anna")


def random_latents(seed: int, count: int, dimension: int = 4) -> torch.Tensor:
    """Latents, a quarter of them zeros."""
    generator = torch.Generator().manual_seed(seed)
    spoken = torch.rand(count, 1, generator=generator) > 0.25
    return torch.randn(count, dimension, generator=generator) * spoken


@given(st.integers(0, 1000), st.lists(st.integers(0, 40), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_exemplars_are_means_by_code(seed, lengths):
    """The oracle goes through the latents one by one."""
    book = Codebook(16, 4)
    book.weight.copy_(random_latents(seed, 16))
    sums, groups = ExemplarSums(book), {}
    for i, length in enumerate(lengths):
        latents = random_latents(seed + i, length)
        sums.add(latents)
        for row in latents:
            if row.any():
                distances = [float((row - code).square().sum()) for code in book.weight]
                groups.setdefault(int(np.argmin(distances)), []).append(row)
    expected = [torch.stack(groups[code]).mean(0) for code in sorted(groups)]
    found = sums.average()
    assert found.shape == (len(expected), 4)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_latents_move_towards_the_nearest_exemplar(share, monkeypatch):
    """The oracle takes cosines of pairs."""
    latents, exemplars = random_latents(0, 50), random_latents(1, 12)
    exemplars = exemplars[exemplars.any(1)] * torch.arange(1, 1 + int(exemplars.any(1).sum()))[:, None]
    found = move_to_exemplars(latents, exemplars, share)
    for before, after in zip(latents, found, strict=True):
        cosines = [float(torch.cosine_similarity(before, one, 0)) for one in exemplars]
        nearest = exemplars[int(np.argmax(cosines))]
        expected = (1 - share) * before + share * nearest if before.any() else before
        assert torch.allclose(after, expected, atol=1e-6)
    monkeypatch.setattr(retrieval, "_ROWS", 7)
    assert torch.allclose(move_to_exemplars(latents, exemplars, share), found, atol=1e-6)


def test_a_voice_has_the_latents_of_all_its_recordings(vqvae, voice):
    sums = ExemplarSums(vqvae.quantizer)
    for wave in RECORDINGS:
        sums.add(torch.from_numpy(vqvae.encode_conditioning(loudness.normalise(wave).samples)))
    assert voice.exemplars.dtype == np.float16 and 2 < len(voice.exemplars) <= 32
    assert np.allclose(voice.exemplars, sums.average().numpy(), atol=2e-3, rtol=2e-3)
    assert voice.codebook == vqvae.codebook_hash()
    plain = voice_model().make_voice(RECORDINGS)
    assert plain.exemplars is None, "codes say nothing that could be moved"


def test_recordings_in_which_the_encoder_finds_no_speech(vqvae, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(vqvae, "encode_conditioning", lambda samples: np.zeros((9, 8), np.float32))
        voice = vqvae.make_voice(RECORDINGS)
    assert voice.exemplars is None
    assert np.isfinite(vqvae.convert(SOURCE, voice)).all()


def test_conversions_take_a_share_of_the_recordings(vqvae, voice):
    default, none = vqvae.convert(SOURCE, voice), vqvae.convert(SOURCE, voice, retrieval=0)
    assert np.abs(default - none).max() > 1e-3
    assert np.array_equal(default, vqvae.convert(SOURCE, voice, retrieval=vqvae.decoder.retrieval))
    assert np.array_equal(none, vqvae.convert(SOURCE, replace(voice, exemplars=None)))
    source = vqvae.source([SOURCE])
    exemplars = torch.from_numpy(voice.exemplars).float()
    moved = move_to_exemplars(torch.from_numpy(source.codes), exemplars, 0.8).numpy()
    direct = np.concatenate(
        [part for _, part in vqvae.convert_parts([source._replace(codes=moved)], [voice], retrieval=0)]
    )
    assert np.allclose(vqvae.convert(SOURCE, voice, retrieval=0.8), direct, atol=1e-6)
    both = vqvae.convert_many([SOURCE, SOURCE], [voice, "low"])
    assert np.allclose(both[0], default, atol=1e-5) and np.allclose(both[1], vqvae.convert(SOURCE, "low"), atol=1e-5)


def test_retrieval_where_there_is_nothing_to_take(vqvae, voice):
    for speaker in ("low", replace(voice, exemplars=None), replace(voice, codebook="of another model")):
        assert np.array_equal(vqvae.convert(SOURCE, speaker), vqvae.convert(SOURCE, speaker, retrieval=0))
        with pytest.raises(ConfigError, match="retrieval needs recordings"):
            vqvae.convert(SOURCE, speaker, retrieval=0.5)
    with pytest.raises(ConfigError, match="retrieval needs recordings"):
        world_model("mini_wavenet").convert(SOURCE[:3200], "low", retrieval=0.5)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="a share from 0 to 1"):
            vqvae.convert(SOURCE, voice, retrieval=share)
