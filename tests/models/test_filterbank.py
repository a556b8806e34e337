import numpy as np
import pytest
import scipy.fft
import torch

from tests.torchaudio import import_torchaudio_functional
from vqspeech.models.filterbank import make_cosines, make_mel_filters

SIZES = ((257, 40), (513, 80), (1025, 80), (257, 23))


@pytest.mark.parametrize(("bins", "bands"), SIZES)
@pytest.mark.parametrize(("scale", "norm"), [("htk", None), ("slaney", "slaney")])
def test_mel_filters_are_torchaudios_to_the_last_bit_and_librosas(bins, bands, scale, norm):
    import librosa

    found = make_mel_filters(bins, bands, scale)
    theirs = import_torchaudio_functional().melscale_fbanks(
        bins, 20.0, 8000.0, bands, 16_000, norm=norm, mel_scale=scale
    )
    assert found.shape == (bins, bands) and torch.equal(found, theirs)
    librosas = librosa.filters.mel(
        sr=16_000, n_fft=2 * (bins - 1), n_mels=bands, fmin=20, fmax=8000, htk=scale == "htk", norm=norm
    )
    np.testing.assert_allclose(found.T.numpy(), librosas, atol=5e-4 * librosas.max())


@pytest.mark.parametrize(("coefficients", "bands"), [(13, 40), (40, 80), (5, 5)])
def test_cosines_are_torchaudios_to_the_last_bit_and_those_of_the_dct(coefficients, bands):
    found = make_cosines(coefficients, bands)
    assert torch.equal(found, import_torchaudio_functional().create_dct(coefficients, bands, norm="ortho"))
    theirs = np.asarray(scipy.fft.dct(np.eye(bands), norm="ortho"))
    np.testing.assert_allclose(found.numpy(), theirs[:, :coefficients], atol=1e-5)
