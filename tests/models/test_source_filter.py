import math

import numpy as np
import pytest
import torch

from vqspeech import audio, world
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.decoders import DECODER, Streams
from vqspeech.models.decoders.source_filter import (
    HOP,
    NOISE,
    SourceFilter,
    band_weights,
    interpolate_pitch,
    minimum_phase,
    pulse_train,
)
from vqspeech.models.decoders.spectra import spectral_losses


@pytest.fixture(scope="module")
def small() -> SourceFilter:
    torch.manual_seed(0)
    made = SourceFilter(8, 320, 2, channels=16, bands=20, voice=12)
    torch.nn.init.normal_(made.output.weight, std=0.2)
    return made.eval()


def contour(*hertz: float, frames: int = 60) -> torch.Tensor:
    """Log F0 `(batch, frames)` of steady voices."""
    return torch.tensor(hertz).log()[:, None].repeat(1, frames)


@pytest.mark.parametrize(("low", "high"), [(180, 180), (97.3, 97.3), (160, 160), (90, 400)])
def test_pulses_are_a_sum_of_cosines(low: float, high: float):
    """The oracle adds the harmonics one by one; each fades in below 8 kHz, so none aliases or clicks."""
    logs = torch.linspace(math.log(low), math.log(high), 60)[None]
    found = pulse_train(logs)[0].numpy()
    f0 = np.exp(np.interp(np.arange(60 * HOP) / HOP, np.arange(60), logs[0].double().numpy()))
    phase = 2 * np.pi * np.cumsum(f0 / audio.RATE)
    count = 8000 / f0 - 1
    harmonics = sum(np.clip(count - k + 1, 0, 1) * np.cos(k * phase) for k in range(1, 100))
    assert found == pytest.approx(harmonics * np.sqrt(2 / count), abs=0.03)
    assert np.mean(found**2) == pytest.approx(1, abs=0.06)


def test_filters_of_gain_one_change_nothing(small: SourceFilter):
    pitch = contour(150.0)
    flat = torch.zeros(1, 20, 60)
    starts = torch.tensor([5])
    pulses = small.sound(flat, flat - 60, pitch, starts)
    inner = slice(4 * HOP, -4 * HOP)
    assert torch.allclose(pulses[:, inner], pulse_train(pitch)[:, inner], atol=1e-4)
    noise = small.sound(flat - 60, flat, pitch, starts)
    assert torch.allclose(noise[:, inner], small.noise[None, 5 : 5 + 60 * HOP][:, inner], atol=1e-4)


def test_no_gain_is_silence(small: SourceFilter):
    low = torch.full((1, 20, 30), -60.0)
    assert small.sound(low, low, contour(150.0, frames=30), torch.zeros(1).long()).abs().max() < 1e-8


def test_filters_are_of_minimum_phase():
    """Least delay: more energy early than any other filter of these gains, here that of zero phase, made causal."""
    logs = torch.from_numpy(np.random.default_rng(0).normal(0, 0.7, (1, 1, 20))).float() @ band_weights(20, 513)
    filters = minimum_phase(logs)
    assert torch.allclose(filters.abs().log(), logs, atol=1e-4)
    response = torch.fft.irfft(filters)[0, 0]
    other = torch.fft.irfft(logs.exp())[0, 0].roll(512)
    assert (response.square().cumsum(0) >= other.square().cumsum(0) - 1e-5).all()
    assert response[512:].square().sum() < 1e-3 * response.square().sum()


def test_pitch_is_drawn_through_pauses():
    logs = torch.tensor([[0, 5.0, 0, 0, 0, 5.4, 0, 0], [0.0] * 8])
    line = interpolate_pitch(logs)
    assert line[0].tolist() == pytest.approx([5.0, 5.0, 5.1, 5.2, 5.3, 5.4, 5.4, 5.4])
    assert line[1].exp().tolist() == pytest.approx([150.0] * 8)


def test_it_hears_pitch_voice_and_latents(small: SourceFilter):
    torch.manual_seed(1)
    latents, voices = torch.randn(2, 8, 30), torch.randn(2, 12)
    pitch = contour(120.0, 220.0)
    pitch[:, 20:30] = 0
    made = small(latents, pitch, voices)
    assert made.shape == (2, 30 * 320)
    assert torch.equal(made, small(latents, pitch, voices)), "nothing is drawn"
    for other in (small(latents.flip(0), pitch, voices), small(latents, pitch + 0.2, voices)):
        assert not torch.allclose(made, other, atol=1e-3)
    assert not torch.allclose(made, small(latents, pitch, voices.flip(0)), atol=1e-3)
    assert not torch.allclose(made, small(latents, interpolate_pitch(pitch), voices), atol=1e-4), "voicing is heard"
    alone = small(latents[:1], pitch[:1], voices[:1])
    assert torch.allclose(made[:1], alone, atol=1e-5), "what is beside it changes nothing"


def test_what_lies_beyond_the_receptive_field_changes_nothing(small: SourceFilter):
    torch.manual_seed(2)
    reach = small.receptive_field // 2 // 320 + 1
    latents = torch.randn(1, 8, 2 * reach + 1)
    voices, pitch = torch.randn(1, 12), contour(140.0, frames=2 * latents.shape[2])
    made = small(latents, pitch, voices)
    latents[:, :, 0] += 1
    changed = (small(latents, pitch, voices) - made).abs()[0] > 1e-6
    assert changed.any() and not changed[(reach + 1) * 320 :].any()


def test_noise_depends_on_the_place_in_the_utterance(small: SourceFilter):
    """Pieces of one utterance have the noise of the whole, in every run."""
    latents, pitch = torch.zeros(1, 8, 40), torch.zeros(1, 80)
    one = Streams(torch.tensor([40 * 320]), pitch, [0], [0])
    later = Streams(torch.tensor([40 * 320]), pitch, [9], [NOISE])
    other = Streams(torch.tensor([40 * 320]), pitch, [0], [777])
    speakers = torch.tensor([1])
    first = small.waveforms(latents, speakers, one)
    assert torch.equal(first, small.waveforms(latents, small.speaker.weight.detach()[1:], later))
    assert not torch.allclose(first, small.waveforms(latents, speakers, other), atol=1e-4)


@pytest.mark.parametrize("hop", [160, 320, 640])
def test_codes_of_any_rate(hop: int):
    made = DECODER.make(
        {"name": "source_filter", "channels": 8, "bands": 10, "voice": 6}, latents=4, hop=hop, speakers=1
    )
    assert isinstance(made, SourceFilter)
    sound = made(torch.randn(1, 4, 12), torch.zeros(1, 12 * hop // HOP), torch.randn(1, 6))
    assert sound.shape == (1, 12 * hop) and sound.isfinite().all()


def test_codes_that_fit_no_frames():
    with pytest.raises(ConfigError, match="whole 160 samples"):
        SourceFilter(4, 100, 1)


def test_loss_falls_to_nothing_and_has_gradients_everywhere(small: SourceFilter):
    torch.manual_seed(3)
    frames = torch.zeros(2, world.CHANNELS, 64)
    frames[:, 0] = 5.0
    frames[:, 0, 10:20] = 0
    samples = (torch.randn(2, 64 * HOP) * 1000).short()
    batch = SpeechBatch(samples, torch.tensor([64 * HOP, 40 * HOP]), torch.tensor([0, 1]), None, frames)
    latents = torch.randn(2, 8, 32, requires_grad=True)
    losses = small.loss(latents, batch.speakers, batch)
    assert list(losses) == ["spectrum", "mel"]
    torch.stack([*losses.values()]).sum().backward()
    assert latents.grad is not None and latents.grad.isfinite().all() and latents.grad.abs().sum() > 0
    for name, parameter in small.named_parameters():
        if not name.startswith("reference."):
            assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name
    small.zero_grad()
    wave = samples.float() / 32768
    assert spectral_losses(wave, wave)["spectrum"] == 0
    louder = spectral_losses(wave, 2 * wave)
    assert louder["spectrum"] == pytest.approx(math.log(2) + 0.25, rel=0.01)
    with pytest.raises(ConfigError, match="--world"):
        small.loss(latents, batch.speakers, SpeechBatch(samples, batch.lengths, batch.speakers, None, None))
