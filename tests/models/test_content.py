"""The content encoder: pauses, batches and pieces change nothing; what is hidden is not seen."""

import numpy as np
import pytest
import torch

from tests.conftest import buzz
from vqspeech import loudness
from vqspeech.conf import load_config
from vqspeech.errors import ConfigError
from vqspeech.models import coder, content
from vqspeech.models.coder import Coder
from vqspeech.models.content import ContentEncoder

SMALL = ["encoder.latents=48", "encoder.depth=2", "encoder.layer=2", "encoder.heads=3", "encoder.reach=40"]


def small(*overrides: str) -> Coder:
    """A small coder with a content encoder, and a codebook of its features of some speech."""
    groups = load_config("content", [*SMALL, "quantizer.codes=16", *overrides])
    torch.manual_seed(0)
    model = Coder({name: group for name, group in groups.items() if name != "training"}).eval()
    z = model.encode_latents(loudness.normalise(speech(3.0)).samples).T
    model.quantizer.start(z[torch.linspace(5, len(z) - 5, 16).long()])  # pyright: ignore
    return model


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Changing voiced sounds without a pause, that begin and end softly."""
    parts = [buzz(0.25, 100 + 17 * ((seed + i) % 7), seed + i) for i in range(round(seconds * 4))]
    fade = np.minimum(1, np.arange(len(parts) * 4000, dtype=np.float32) / 800)
    return np.concatenate(parts) * fade * fade[::-1]


def encoder_of(model: Coder) -> ContentEncoder:
    assert isinstance(model.encoder, ContentEncoder)
    return model.encoder


@pytest.mark.parametrize(("hop", "rate"), [(2, 50), (4, 25)])
def test_codes_have_their_rate_and_silence_its_zeros(hop, rate):
    model = small(f"encoder.hop={hop}")
    assert model.rate == rate
    wave = np.r_[np.zeros(32000, np.float32), speech(1.0), np.zeros(32000, np.float32)]
    z = model.encode_latents(loudness.normalise(wave).samples)
    assert z.shape == (48, 5 * rate) and model.encode(wave).shape == (5 * rate,)
    silent = (z == 0).all(0)
    margin = round(0.16 * rate)
    assert silent[: 2 * rate - margin].all() and silent[3 * rate + margin :].all()
    assert not silent[2 * rate : 3 * rate].any()


@pytest.mark.parametrize("pause", [0.4, 1.0, 30.0])
def test_the_length_of_a_pause_changes_nothing(pause):
    model, (first, second) = small(), (speech(1.0), speech(1.5, 9))
    quiet = np.zeros(round(pause * 16000), np.float32)
    short, long = np.r_[first, np.zeros(6400, np.float32), second], np.r_[quiet, first, quiet, second, quiet]
    codes, found = model.encode(short), model.encode(long)
    at = len(quiet) // 320
    assert (codes[:50] == found[at : at + 50]).mean() == 1
    after = at + 50 + at
    assert (codes[70:] == found[after : after + 75]).mean() == 1


def test_features_do_not_depend_on_the_batch():
    model = small()
    encoder = encoder_of(model)
    samples = [loudness.normalise(speech(seconds)).samples for seconds in (0.5, 1.0, 2.0)]
    lengths = [len(one) for one in samples]
    batch = torch.zeros(3, max(lengths), dtype=torch.int16)
    for row, one in zip(batch, samples, strict=True):
        row[: len(one)] = torch.from_numpy(one)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    statistics = torch.stack([model.frontend.statistics(torch.from_numpy(one)) for one in samples])  # pyright: ignore
    with torch.no_grad():
        frames = model.frontend(batch, mask, statistics)
        together = encoder(frames, mask[:, ::160])
        for row, length in enumerate(lengths):
            one = slice(row, row + 1)
            alone = encoder(frames[one, :, : length // 160], mask[one, :length:160])
            torch.testing.assert_close(together[one, :, : length // 320], alone, atol=1e-4, rtol=1e-4)


def test_features_are_standardised_over_speech_and_short_utterances_helped():
    encoder = encoder_of(small())
    encoder.mean.normal_()
    features = 3 * torch.randn(2, 48, 2000) + 1
    features[:, :, 500:900] = 0  # no speech
    found = encoder.standardise(features)
    assert not found[:, :, 500:900].any()
    spoken = found[:, :, [*range(500), *range(900, 2000)]]
    assert spoken.mean(2).abs().max() < 0.05 and (spoken.std(2) - 1).abs().max() < 0.05
    one = torch.zeros(1, 48, 10)
    one[:, :, 4] = features[0, :, 0]
    mean = (one[0, :, 4] + 25 * encoder.mean) / 26
    deviation = (((one[0, :, 4] - mean).square() + 25) / 26).sqrt()
    torch.testing.assert_close(encoder.standardise(one)[0, :, 4], (one[0, :, 4] - mean) / deviation)


def test_a_long_recording_in_pieces_has_the_codes_of_the_whole(monkeypatch):
    model, wave = small(), speech(12.0)
    whole = model.encode(wave)
    monkeypatch.setattr(coder, "PIECE", 1.0)
    np.testing.assert_array_equal(model.encode(wave), whole)
    monkeypatch.setattr(content, "WINDOW_STEPS", 150)
    assert (model.encode(wave) == whole).mean() >= 0.995


def test_hidden_steps_are_not_seen_and_far_ones_are():
    encoder = encoder_of(small())
    steps, speech_steps = torch.randn(1, 60, 48), torch.ones(1, 60, dtype=torch.bool)
    hidden = torch.zeros(1, 60, dtype=torch.bool)
    hidden[:, 20:30] = True
    steps.requires_grad_()
    outputs, order, valid = encoder.transform(steps, speech_steps, 2, hidden)
    assert order.tolist() == [list(range(60))] and valid.all()
    [gradient] = torch.autograd.grad(outputs[-1][0, 25].square().sum(), steps)
    reached = gradient[0].abs().sum(1) > 0
    assert not reached[20:30].any() and reached[:20].all() and reached[30:].all()


def test_attention_reaches_no_further_than_told():
    encoder = encoder_of(small("encoder.reach=5", "encoder.depth=1", "encoder.layer=1"))
    steps = torch.randn(1, 120, 48, requires_grad=True)
    outputs = encoder.transform(steps, torch.ones(1, 120, dtype=torch.bool), 1)[0]
    [gradient] = torch.autograd.grad(outputs[-1][0, 60].square().sum(), steps)
    reached = (gradient[0].abs().sum(1) > 0).nonzero()[:, 0]
    assert reached.min() == 60 - 7 - 5 - 32 and reached.max() == 60 + 7 + 5 + 32  # two convolutions beside it


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.heads=5", "multiple of"),
        ("encoder.latents=51", "multiple of 16"),
        ("encoder.hop=3", "multiple of 2"),
        ("encoder.layer=3", "there are 2 layers"),
        ("encoder.depth=0", "encoder.depth=0"),
    ],
)
def test_options_that_do_not_fit_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        small(override)


def test_silence_and_a_scrap_of_speech_have_codes():
    model = small()
    assert len(set(model.encode(np.zeros(16000, np.float32)))) == 1
    for samples in (1, 160, 500):
        assert len(model.encode(speech(0.25)[:samples])) == -(-samples // 320)


def test_codes_of_two_stages_come_out_of_a_coder(tmp_path):
    groups = load_config("content", [*SMALL, "quantizer=residual", "quantizer.codes=5"])
    torch.manual_seed(0)
    model = Coder({name: group for name, group in groups.items() if name != "training"}).eval()
    for one in model.quantizer.stages:  # pyright: ignore
        one.start(torch.randn(5, 48))
    codes = model.encode(speech(2.0))
    assert codes.shape == (100,) and 5 < codes.max() < 25
    assert model.units["codes"] == 25 and model.quantizer.sizes == [5, 5]
    model.save_pretrained(tmp_path / "m.safetensors")
    again = Coder.from_pretrained(tmp_path / "m.safetensors")
    assert np.array_equal(again.encode(speech(2.0)), codes) and again.fingerprint() == model.fingerprint()


def test_attention_on_the_way_to_gradients_is_the_fused_one():
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, 20, 8) for _ in range(3)]
    seen = (torch.rand(2, 1, 20, 20) < 0.6) | torch.eye(20, dtype=torch.bool)
    fused = content.attend(*parts, seen)  # pyright: ignore
    torch.testing.assert_close(content.attend(*(one.requires_grad_() for one in parts), seen), fused)  # pyright: ignore


@pytest.mark.parametrize("samples", [1, 100, 639, 641])
def test_a_recording_shorter_than_a_code_has_one(samples):
    model = small("encoder.hop=4")
    assert model.encode(speech(1.0)[4000 : 4000 + samples]).shape == (-(-samples // 640),)


def test_silence_is_one_code_and_music_has_some():
    model = small()
    assert len(set(model.encode(np.zeros(16000, np.float32)).tolist())) == 1
    time = np.arange(48000) / 16000
    music = sum(np.sin(2 * np.pi * f * time) for f in (220, 277.2, 329.6)) * (0.1 + 0.05 * np.sin(2 * np.pi * time))
    codes = model.encode(music.astype(np.float32))
    assert codes.shape == (150,) and codes.min() >= 0 and codes.max() < 16
    assert np.array_equal(codes, model.encode(music.astype(np.float32)))


def test_telephone_speech_has_the_codes_of_what_is_in_its_band():
    import soxr

    model, wave = small(), speech(3.0)
    narrow = soxr.resample(wave, 16000, 8000)
    again = soxr.resample(narrow, 8000, 16000)
    codes = model.encode(narrow, 8000)
    assert codes.shape == (150,) and (codes == model.encode(again)).mean() > 0.97
