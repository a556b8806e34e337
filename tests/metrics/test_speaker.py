import numpy as np
import pytest

from vqspeech import audio
from vqspeech.errors import AudioError
from vqspeech.metrics import naturalness, speaker


def test_voices_and_nearest():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    found = speaker.voices({"x": [a, a], "y": [b, a]})
    assert np.allclose(found["y"], [0.5**0.5, 0.5**0.5])
    assert speaker.nearest(np.array([1.0, 0.1]), found) == "x"
    assert speaker.nearest(np.array([0.4, 0.6]), found) == "y"
    assert speaker.nearest(a, {"q": a, "p": a}) == "p"
    assert speaker.cosine(3 * a, a + b) == pytest.approx(0.5**0.5)


def test_resemblyzer_tells_readers_apart(corpora):
    pytest.importorskip("resemblyzer", reason="the judges are not installed: bash tools/install.sh eval")
    verifier = speaker.Resemblyzer()
    readers = sorted((corpora / "LibriSpeech").glob("*/*/"))[:3]
    vectors = {
        reader.name: [verifier.embedding(audio.read_waveform(path)) for path in sorted(reader.glob("*/*.flac"))[:4]]
        for reader in readers
    }
    found = speaker.voices({name: some[:3] for name, some in vectors.items()})
    for name, some in vectors.items():
        assert np.linalg.norm(some[3]) == pytest.approx(1, abs=1e-5)
        assert speaker.nearest(some[3], found) == name
    with pytest.raises(AudioError, match="silence"):
        verifier.embedding(np.zeros(16000, dtype=np.float32))


def test_dnsmos_prefers_clean_speech(corpora):
    pytest.importorskip("speechmos", reason="the judges are not installed: bash tools/install.sh eval")
    rater = naturalness.DNSMOS()
    wave = audio.read_waveform(next((corpora / "LibriSpeech").glob("*/*/*/*.flac")))
    noisy = wave + 0.1 * np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    assert 1 < rater.rating(noisy) < rater.rating(wave) - 0.5 < 5
