"""What the methods of a model make of what they are given."""

import numpy as np
import pytest
import torch

from tests.conftest import buzz
from tests.models.test_coder import small
from tests.models.test_vqvae import model
from vqspeech import audio
from vqspeech.errors import ConfigError, SpeakerError, UnitsError, WaveformError

WAVE = (np.round(buzz(0.5, 130) * 32_768) / 32_768).astype(np.float32)
SAME = {
    "int16": (WAVE * 32_768).astype(np.int16),
    "int32": (WAVE.astype(np.float64) * 2**31).astype(np.int32),
    "float64": WAVE.astype(np.float64),
    "view": np.repeat(WAVE, 2)[::2],
    "list": WAVE.tolist(),
    "tensor": torch.from_numpy(WAVE),
    "tensor that learns": torch.from_numpy(WAVE).clone().requires_grad_(),
    "(1, time)": torch.from_numpy(WAVE)[None],
}


@pytest.fixture(scope="module")
def voices():
    return model(speakers=("1089", "121"))


@pytest.mark.parametrize("name", SAME)
def test_one_waveform_has_one_meaning(name: str, voices):
    given = SAME[name]
    assert np.array_equal(voices.encode(given), voices.encode(WAVE))
    assert np.array_equal(voices.convert(given, "121"), voices.convert(WAVE, "121"))
    assert np.array_equal(voices.reconstruct(given, "121"), voices.convert(WAVE, "121"))
    assert np.array_equal(small().encode(given), small().encode(WAVE))


@pytest.mark.parametrize("method", ["encode", "convert", "reconstruct", "convert_many"])
def test_another_sample_rate(method: str, voices):
    wave = np.interp(np.arange(24_000) / 48_000, np.arange(8000) / audio.RATE, WAVE)
    arguments = [] if method == "encode" else ["121"]
    if method == "convert_many":
        arguments, wave = [["121"]], [wave]
    ours = audio.to_waveform(wave[0] if method == "convert_many" else wave, 48_000)
    found = getattr(voices, method)(wave, *arguments, sample_rate=48_000)
    expected = getattr(voices, method)([ours] if method == "convert_many" else ours, *arguments)
    assert np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("wave", [WAVE * 32_768, np.stack([WAVE, WAVE]), [], "a.wav", [np.nan], [True, False]])
def test_what_is_no_waveform_is_refused_by_every_method(wave, voices):
    for call in (
        lambda: voices.encode(wave),
        lambda: voices.convert(wave, "121"),
        lambda: voices.convert_many([WAVE, wave], ["121", "121"]),
        lambda: voices.reconstruct(wave, "121"),
    ):
        with pytest.raises(WaveformError):
            call()


def test_names_of_voices(voices):
    expected = voices.convert(WAVE, "1089")
    for name in (1089, np.int64(1089), np.str_("1089")):
        assert np.array_equal(voices.convert(WAVE, name), expected)
    for name in (None, ["1089"], 1089.0, True, b"1089"):
        with pytest.raises(SpeakerError, match="is no name of a voice"):
            voices.convert(WAVE, name)
    with pytest.raises(SpeakerError, match="no voice '1088'; the closest are 1089"):
        voices.convert(WAVE, 1088)


def test_many_are_as_many(voices):
    together = voices.convert_many(np.stack([WAVE, WAVE[::-1]]), ["121", 1089])
    np.testing.assert_allclose(together[1], voices.convert(WAVE[::-1], "1089"), atol=1e-5)
    for waves, names in (([WAVE], ["121", "1089"]), ([WAVE, WAVE], ["121"]), ([WAVE] * 3, "121")):
        with pytest.raises(ConfigError, match=r"there are \d waves and \d speakers; give lists of the same length"):
            voices.convert_many(waves, names)
    with pytest.raises(ConfigError, match="2 codes and 1 speakers and 1 pitches"):
        voices.decode_many([[1], [2]], ["121"], [None])
    assert voices.convert_many([], []) == []


def test_codes_of_every_type(voices):
    codes = voices.encode(WAVE)
    pitch = np.full(50, 5.0)
    expected = voices.decode(codes, "121", pitch)
    for given in (codes.tolist(), torch.from_numpy(codes), codes.astype(np.uint16), codes.astype(np.int32)):
        assert np.array_equal(voices.decode(given, 121, pitch), expected)
    for given in (pitch.tolist(), torch.from_numpy(pitch), pitch.astype(np.float32)):
        assert np.array_equal(voices.decode(codes, "121", given), expected)


@pytest.mark.parametrize("codes", [[], [0.5], [[1, 2]], 3, "1 2", None, [True], [1, None], [[1], [1, 2]]])
def test_what_are_no_codes(codes, voices):
    with pytest.raises(UnitsError, match="are integers"):
        voices.decode(codes, "121")


def test_codes_of_another_model(voices):
    for code in (-1, 32, 2**40):
        with pytest.raises(UnitsError, match=f"code {code} is none of the 32"):
            voices.decode([0, code], "121")


def test_what_is_no_pitch(voices):
    with pytest.raises(ConfigError, match="a pitch of 120 is in Hz"):
        voices.decode([1, 2], "121", np.full(2, 120.0))
    for pitch in ([[5.0]], [np.nan], "high", 5.0):
        with pytest.raises(ConfigError, match="pitch is log F0"):
            voices.decode([1, 2], "121", pitch)
