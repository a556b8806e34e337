import numpy as np
import pytest
import scipy.signal
import torch

from tests.conftest import buzz
from tests.torchaudio import import_torchaudio_functional
from vqspeech import audio, loudness
from vqspeech.errors import ConfigError
from vqspeech.models.frontend import (
    FRONTENDS,
    LogMel,
    Mfcc,
    decode_mulaw,
    dither_mulaw,
    encode_mulaw,
    find_speech_frames,
    make_frontend,
    stretch_filters,
    to_waveforms,
)


def test_waves_are_the_inverse_of_mulaw():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(decode_mulaw(torch.from_numpy(levels)).numpy(), audio.decode_mulaw(levels), atol=1e-6)


def test_levels_of_waves_are_those_of_mulaw():
    wave = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    apart = encode_mulaw(torch.from_numpy(wave)).numpy().astype(int) - audio.encode_mulaw(wave)
    assert (apart != 0).mean() < 1e-3 and np.abs(apart).max() <= 1, "but for the last bit of a logarithm"


def test_dithered_waves_lie_around_their_levels():
    given = torch.arange(256, dtype=torch.uint8).repeat(50, 1)
    found = dither_mulaw(given)
    assert torch.equal(found, dither_mulaw(given)) and found.abs().max() <= 1
    assert torch.equal(encode_mulaw(found), given), "within half a level"
    assert found[:, 128].std() > 1e-5 and abs(found[:, 127:129].mean()) < 2e-5, "and silence has no mean"


def test_mulaw_agrees_with_torchaudio():
    wave = np.linspace(-1, 1, 4001, dtype=np.float32)
    functional = import_torchaudio_functional()
    theirs = functional.mu_law_encoding(torch.from_numpy(wave), 256)
    assert (audio.encode_mulaw(wave) == theirs.numpy()).mean() > 0.999  # ties of float32 rounding aside
    np.testing.assert_allclose(audio.decode_mulaw(theirs.numpy()), functional.mu_law_decoding(theirs, 256), atol=1e-6)


def samples_of(wave: np.ndarray) -> torch.Tensor:
    """Samples `(1, time)` of a waveform, normalised."""
    return torch.from_numpy(loudness.normalise(wave).samples)[None]


def test_mel_energies_are_librosas():
    import librosa

    samples = samples_of(buzz(0.5, 140))
    wave = samples[0].numpy() / 32768
    front = LogMel()
    ours = front.static(front.spectra(to_waveforms(samples)), front.filters)[0].numpy()
    spectrum = librosa.stft(np.pad(wave, 176), n_fft=512, hop_length=160, win_length=400, window="hann", center=False)
    filters = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=20, fmax=8000)
    floor = 10 ** (-64 / 10) * np.sum(
        np.asarray(scipy.signal.get_window("hann", 400)) ** 2
    )  # 38 dB below speech at -26
    np.testing.assert_allclose(ours, np.log(filters @ (np.abs(spectrum) ** 2 + floor)), atol=2e-3)


@pytest.mark.parametrize("name", list(FRONTENDS))
def test_frames_and_channels(name):
    front = make_frontend(name)
    samples = samples_of(buzz(0.4, 140))
    out = front(samples, torch.ones(samples.shape, dtype=torch.bool), None)
    assert out.shape == (1, front.channels, samples.shape[1] // front.hop)


def test_speech_frames_are_those_of_the_running_median():
    wave = buzz(1.0, 140)
    wave[4000:9000] *= 0.01
    wave[12000] = 1  # a click in a pause of 500 samples is no speech
    samples = samples_of(np.r_[np.zeros(8000, np.float32), wave, np.zeros(4000, np.float32)])
    powers = scipy.signal.medfilt((samples[0].numpy().reshape(-1, 160) / 32768.0) ** 2 @ np.ones(160) / 160, 15)
    found = find_speech_frames(to_waveforms(samples))[0].numpy()
    np.testing.assert_array_equal(found, powers > 10**-4.8)
    assert 60 < found.sum() < 100 and not found[:50].any() and not found[-20:].any()


def test_statistics_normalise_the_speech_of_an_utterance():
    front = Mfcc()
    samples = samples_of(buzz(1.0, 140))
    mask = torch.ones(samples.shape, dtype=torch.bool)
    statistics = front.statistics(samples[0])
    speech = find_speech_frames(to_waveforms(samples))[0]
    out = front(samples, mask, statistics[None])[0, :13, speech]
    torch.testing.assert_close(out.mean(1), torch.zeros(13), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.std(1, unbiased=False), torch.ones(13), atol=1e-2, rtol=0)
    for silence in (160, 16000, 16000 * 20):
        around = torch.nn.functional.pad(samples[0], (silence, silence))
        torch.testing.assert_close(front.statistics(around), statistics, atol=1e-5, rtol=0)


def test_silence_has_no_statistics_and_no_features():
    front = Mfcc()
    silence = torch.zeros(1, 8000, dtype=torch.int16)
    statistics = front.statistics(silence[0])[None]
    assert torch.isfinite(statistics).all()
    assert not front(silence, torch.ones(1, 8000, dtype=torch.bool), statistics).any()


def tone(frequency: float) -> torch.Tensor:
    time = np.arange(8000) / audio.RATE
    return samples_of((0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32))


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_stretched_filters_see_the_tone_elsewhere(factor):
    front = LogMel()
    spectra = [front.spectra(to_waveforms(tone(frequency))) for frequency in (1500, 1500 * factor)]
    heard = front.static(spectra[0], stretch_filters(front.filters, factor))[0, :, 5:-5].mean(1)
    moved = front.static(spectra[1], front.filters)[0, :, 5:-5].mean(1)
    assert heard.argmax() == moved.argmax()


@pytest.mark.parametrize("kind", [LogMel, Mfcc])
def test_warping_is_for_training_and_moves_no_mean(kind):
    samples = samples_of(buzz(0.6, 140)).repeat(4, 1)
    mask = torch.ones(samples.shape, dtype=torch.bool)
    front, plain = kind(0.2), kind()(samples, mask)
    torch.manual_seed(0)
    warped = front(samples, mask)
    static = slice(40 if kind is LogMel else 13)
    assert (warped - plain).abs().max() > 0.1
    assert (warped[0] - warped[1:]).abs().amax((1, 2)).max() > 0.1  # each window has its own factor
    torch.testing.assert_close(warped[:, static].mean(2), plain[:, static].mean(2), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(front.eval()(samples, mask), plain)
    torch.testing.assert_close(front.train().statistics(samples[0]), kind().statistics(samples[0]))


def test_bad_warps_are_named():
    with pytest.raises(ConfigError, match="frontend.warp=0.5: give a number from 0 to below 0.5"):
        make_frontend("mfcc", 0.5)
    with pytest.raises(ConfigError, match="no frequency axis"):
        make_frontend("waveform", 0.1)
