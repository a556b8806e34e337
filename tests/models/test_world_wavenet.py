"""The WaveNet that sounds the fast decoder's frames."""

import numpy as np
import pytest
import torch

from tests.conftest import buzz
from tests.models.test_vqvae import model
from vqspeech import audio, world
from vqspeech.conf import load_config
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.generate import compute_logits, generate
from vqspeech.models.decoders import Streams, WorldWaveNet
from vqspeech.models.decoders.prediction import Prediction
from vqspeech.models.frontend import dither_mulaw
from vqspeech.models.vqvae import VQVAE

NAME = "librispeech_wavenet"


def small() -> tuple[VQVAE, WorldWaveNet]:
    """A small model and its decoder."""
    made = model(NAME)
    assert isinstance(made.decoder, WorldWaveNet)
    return made, made.decoder


def conditioning(decoder, latents, speakers, samples, pitch):
    """What its layers are told of what `told` makes."""
    return decoder.conditioning(decoder.frames.frames(latents, speakers, samples, pitch), speakers)


def audible(waves):
    """Waveforms less what a triangle of 20 ms holds of them."""
    mean = waves
    for _ in range(2):
        mean = np.stack([[row[max(0, t - 80) : t + 81].mean() for t in range(len(row))] for row in mean])
    return waves - mean


def told(made, codes=12, pitch=5.0):
    """What the decoder is given of `codes` codes: latents, speaker, samples, pitch."""
    vectors = made.quantizer.lookup(torch.arange(codes)[None] % made.quantizer.size)
    frames = world.count_frames(codes * made.hop)
    return vectors, torch.tensor([1]), torch.tensor([codes * made.hop]), torch.full((1, frames), pitch)


@pytest.mark.parametrize("engine", ["cached", "kernel"])
def test_sampling_is_the_full_pass(engine):
    made, decoder = small()
    with torch.no_grad():
        for layer in decoder.layers:  # that hangs on its past
            layer.gated.weight.mul_(3)
        given = conditioning(decoder, *told(made))
        uniforms = torch.rand(1, 12 * 160, generator=torch.Generator().manual_seed(0))
        drawn = generate(decoder.cell(), given, uniforms, engine=engine, progress=False)
        full = decoder(drawn.to(torch.uint8), given).transpose(1, 2)
    torch.testing.assert_close(compute_logits(decoder.cell(), given, drawn, engine), full, atol=1e-4, rtol=0)


def test_speech_is_the_filtered_excitation_drawn_with_that_conditioning():
    made, decoder = small()
    vectors, speakers, samples, pitch = told(made)
    streams = Streams(samples, pitch, [7], [0])
    with torch.no_grad():
        frames = decoder.frames.frames(vectors, speakers, samples, pitch)
        given = decoder.conditioning(frames, speakers)
        drawn = generate(decoder.cell(), given, streams.uniforms(12 * 160), progress=False)
        excitation = torch.from_numpy(audible(16 * audio.decode_mulaw(drawn.numpy().astype(np.uint8))))
        wanted = Prediction.of(frames).speech(excitation).clamp(-1, 1)
    np.testing.assert_allclose(decoder.waveforms(vectors, speakers, streams), wanted, rtol=0, atol=1e-6)


@torch.no_grad()
def test_it_is_told_pitch_voice_and_codes():
    made, decoder = small()
    vectors, speakers, samples, pitch = told(made)
    with torch.no_grad():
        decoder.frames.output.get_parameter("bias")[0] = 9.0  # all is voiced
    first = conditioning(decoder, vectors, speakers, samples, pitch)
    for other in (
        (vectors, speakers, samples, pitch + 0.2),
        (vectors, speakers, samples, 0 * pitch),
        (vectors, 1 - speakers, samples, pitch),
        (vectors.flip(2), speakers, samples, pitch),
    ):
        assert (conditioning(decoder, *other) - first).abs().max() > 1e-3
    decoder.frames.output.get_parameter("bias")[0] = -99.0  # and now nothing
    silent = conditioning(decoder, vectors, speakers, samples, 0 * pitch)
    assert torch.equal(conditioning(decoder, vectors, speakers, samples, pitch), silent)


def test_the_context_is_what_gradients_reach():
    made, decoder = small()
    vectors, speakers, samples, pitch = told(made, codes=80)
    vectors.requires_grad_()
    found = conditioning(decoder, vectors, speakers, samples, pitch)[0, :, 40].sum()
    (gradient,) = torch.autograd.grad(found, vectors)
    touched = gradient[0].abs().sum(0).nonzero()[:, 0]
    assert 40 - touched.min() <= decoder.context and touched.max() - 40 <= decoder.context
    assert decoder.context <= 40 - touched.min() + 2, "and hardly more"


def test_losses_are_of_excitation_and_frames():
    (made, decoder), generator = small(), torch.Generator().manual_seed(0)
    vectors, speakers, samples, pitch = told(made)
    levels = torch.randint(98, 158, (1, 12 * 160), generator=generator, dtype=torch.uint8)
    frames = torch.zeros(1, world.CHANNELS, 12)  # of the speech, not those that are predicted
    frames[:, 0], frames[:, 2], frames[:, 2, 6:], frames[:, 3:6] = pitch, -10, -12, 1
    spoken = torch.from_numpy((audio.decode_mulaw(levels.numpy()) * 32768).astype(np.int16))
    batch = SpeechBatch(spoken, samples, speakers, None, frames)
    with torch.no_grad():  # so that the levels matter
        decoder.logits.weight.mul_(20)
    losses = decoder.loss(vectors, speakers, batch)
    assert set(losses) == {"nll", "spectrum", "envelope", "aperiodicity", "voicing"}
    with torch.no_grad():
        wave = torch.from_numpy(audible(dither_mulaw(levels).numpy()).astype(np.float32))
        excitation = Prediction.of(frames).excitation(wave).numpy()[0]
        around = [excitation[max(0, t - 160) : t + 161] for t in range(len(excitation))]  # 20 ms
        loudness = np.array([np.sqrt((near**2).mean()) for near in around])
        assert (loudness < 1.5).any() and (loudness > 1.5).any()
        excitation = audio.encode_mulaw(excitation / np.maximum(loudness / 1.5, 1) / 16)[None]
        predicted = decoder(torch.from_numpy(excitation), conditioning(decoder, vectors, speakers, samples, pitch))
    expected = -predicted[0].log_softmax(0)[excitation[0].astype(int), torch.arange(levels.shape[1])].mean()
    torch.testing.assert_close(losses["nll"], expected)
    with pytest.raises(ConfigError, match="dump --world"):
        decoder.loss(vectors, speakers, SpeechBatch(spoken, samples, speakers, None, None))


def test_frames_that_are_kept_are_predicted_without_dropout():
    made, decoder = small()
    given = told(made)
    made.train()
    assert decoder.frames.training
    made.freeze_encoder()
    made.train()
    assert decoder.training and not decoder.frames.training
    with torch.no_grad():
        assert torch.equal(conditioning(decoder, *given), conditioning(decoder, *given))


@pytest.mark.parametrize("encoder", ["frames50", "paper64"])
def test_codes_at_other_rates(encoder):
    """Half as many codes as frames, and a number of samples a code that is no multiple of a frame."""
    options = [f"encoder={encoder}", "encoder.channels=16", "encoder.latents=8", "decoder.layers=2", "decoder.cycle=2"]
    options += ["frontend=waveform"] if encoder == "paper64" else []
    groups = load_config(NAME, [*options, "decoder.frames.layers=1", "decoder.frames.channels=8", "decoder.residual=8"])
    made = VQVAE({key: value for key, value in groups.items() if key != "training"}, ["a", "b"]).eval()
    made.pitch.copy_(torch.tensor([[5.3, 0.1], [4.6, 0.1]]))
    made.quantizer.counts.fill_(1.0)
    for samples in (1, 640, 1001):
        sound = made.convert(buzz(1.0, 150)[:samples], "b")
        assert sound.shape == (samples,) and np.isfinite(sound).all()


def test_neither_a_mean_nor_rumble_is_learned():
    """Of recordings with an offset the excitation would be a constant, and so would what is drawn."""
    made, decoder = small()
    vectors, speakers, samples, _pitch = told(made)
    time = np.arange(12 * 160) / audio.RATE
    wave = 0.01 * np.random.default_rng(0).normal(size=len(time))
    frames = torch.zeros(1, world.CHANNELS, 12)
    frames[:, 2] = -10
    losses = []
    for offset in (0, 0.1 + 0.05 * np.sin(2 * np.pi * 25 * time)):
        spoken = torch.from_numpy(((wave + offset) * 32768).astype(np.int16))[None]
        with torch.no_grad():
            losses.append(decoder.loss(vectors, speakers, SpeechBatch(spoken, samples, speakers, None, frames))["nll"])
    torch.testing.assert_close(*losses, atol=0.05, rtol=0)


@torch.no_grad()
def test_what_it_is_told_cannot_die():
    """A rectifier whose input has become negative once and for all would tell nothing any more, and learn nothing."""
    made, decoder = small()
    for convolution in (decoder.smooth, decoder.mix):
        convolution.get_parameter("bias").sub_(2)
    vectors, speakers, samples, pitch = told(made, codes=40)
    spread = decoder._features(decoder.frames.frames(vectors, speakers, samples, pitch), speakers)[0].std(1)
    assert (spread > 1e-4).all()
