"""What level, offset and silence around a recording do to codes and conversions of the shipped models: nothing."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqspeech import VQVAE, audio, pretrained
from vqspeech.models.coder import Coder

NAMES = list(pretrained.list_models())
SENTENCE = "LibriSpeech/test-clean/1089/134686/1089-134686-0003.flac"


@cache
def coder(name: str) -> Coder:
    return Coder.from_pretrained(name)


def noise(samples: int, decibels: float) -> np.ndarray:
    wave = np.random.default_rng(samples).standard_normal(samples)
    return (10 ** (decibels / 20) * wave).astype(np.float32)


def decibels(wave: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-20)


@pytest.fixture(scope="module")
def sentence(corpora: Path) -> np.ndarray:
    """A sentence of a reader, with what its recording has of silence around it."""
    path = corpora / SENTENCE
    if not path.is_file():
        pytest.skip(f"no {SENTENCE} among the corpora")
    return audio.read_waveform(path)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gain=st.floats(-40, 20),
    offset=st.floats(-0.3, 0.3),
    seconds=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    faint=st.booleans(),
)
def test_codes_of_speech_stay_the_same(name, sentence, gain, offset, seconds, faint):
    model = coder(name)
    codes = model.encode(sentence)
    level = np.float32(10 ** (gain / 20))
    around = [noise(16000 * s, -60 + gain) if faint else np.zeros(16000 * s, np.float32) for s in seconds]
    found = model.encode(np.r_[around[0], sentence * level, around[1]] + np.float32(offset))
    first = seconds[0] * 16000 // model.hop
    assert (found[first : first + len(codes)] == codes).mean() >= 0.99


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("units")])
def test_silence_stays_silent(name, sentence):
    model = VQVAE.from_pretrained(name)
    voice = model.speakers[0]
    for silent in (np.zeros(32000, np.float32), noise(32000, -90), noise(32000, -60)):
        assert decibels(model.convert(silent, voice)) <= decibels(silent) + 6
    made = model.convert(np.r_[noise(32000, -70), sentence, np.zeros(32000, np.float32)], voice)
    assert decibels(made[:30000]) <= -70 + 6
    assert not made[-30000:].any()
    assert abs(decibels(made[32000:-32000]) - decibels(sentence)) < 6, "about as loud as the source"
