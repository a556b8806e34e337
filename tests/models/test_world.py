import math

import numpy as np
import pytest
import torch

from tests.models.test_vqvae import model
from vqspeech import world
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.decoders import WorldDecoder


@pytest.fixture
def decoder():
    made = model().decoder
    assert isinstance(made, WorldDecoder)
    return made


@pytest.fixture
def latents():
    return torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def batch():
    """Two windows of ten frames, the second of four; what lies past it is noise that does not count."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(2, world.CHANNELS, 10, generator=generator)
    frames[:, 0] = 5 * (frames[:, 0] > 0)
    lengths = torch.tensor([10, 4]) * world.FRAME
    return SpeechBatch(torch.zeros(2, 10 * world.FRAME, dtype=torch.uint8), lengths, torch.tensor([0, 1]), None, frames)


def test_loss_is_the_difference_of_spectra_and_of_their_coefficients(decoder, latents, batch):
    losses = decoder.loss(latents, batch.speakers, batch)
    mean, deviation = decoder.mean.numpy(), decoder.deviation.numpy()
    predicted = decoder(latents, batch.speakers, batch.lengths).detach().numpy()
    wanted = {"spectrum": 0.0, "envelope": 0.0, "aperiodicity": 0.0, "voicing": 0.0}
    for row, frames in ((0, 10), (1, 4)):
        for i in range(frames):
            logit, target = predicted[row, 0, i], batch.world[row, :, i].numpy()
            spoken = predicted[row, :, i] * deviation + mean
            off = (spoken - target)[2:]
            bands = [
                off[0] + sum(math.sqrt(2) * off[k] * math.cos(math.pi * k * (j + 0.5) / 80) for k in range(1, 40))
                for j in range(80)
            ]
            wanted["spectrum"] += 0.5 * np.abs(bands).mean()
            wanted["envelope"] += 0.3 * np.abs(off / deviation[2:]).mean()
            wanted["aperiodicity"] += abs(spoken - target)[1] / deviation[1]
            wanted["voicing"] += math.log1p(math.exp(-logit if target[0] > 0 else logit))
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(
        {name: total / 14 for name, total in wanted.items()}, rel=1e-4
    )


def test_spectra_are_compared_in_full_precision(decoder, latents, batch, monkeypatch):
    exact = decoder.loss(latents, batch.speakers, batch)["spectrum"]
    frames = decoder(latents, batch.speakers, batch.lengths)
    monkeypatch.setattr(decoder, "forward", lambda *given: frames)
    with torch.autocast("cpu", torch.bfloat16):
        assert decoder.loss(latents, batch.speakers, batch)["spectrum"].item() == exact.item()


def test_loss_asks_for_frames(decoder, latents, batch):
    batch.world = None
    with pytest.raises(ConfigError, match="vqspeech dump --world"):
        decoder.loss(latents, batch.speakers, batch)


def test_coefficients_are_cosines_along_the_mel_axis(decoder):
    """The vocoder has the spectra at even frequencies; the mel axis of WORLD goes from 40 Hz to 8 kHz."""

    def mel(hertz):
        return 1127.01048 * np.log1p(np.asarray(hertz) / 700)

    places = mel(40) + (np.arange(2 * world.ENVELOPE) + 0.5) / (2 * world.ENVELOPE) * (mel(8000) - mel(40))
    spectra = world.envelope_basis()
    at = mel(np.linspace(0, 8000, spectra.shape[1]))
    for coefficient, wave in enumerate(decoder.cosines.T.numpy()):
        # WORLD's axis is a little off, which the faster cosines show the more.
        np.testing.assert_allclose(wave, np.interp(places, at, spectra[coefficient]), atol=0.006 * (1 + coefficient))
