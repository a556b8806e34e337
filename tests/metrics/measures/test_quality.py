import sys

import numpy as np
import pytest

from tests.conftest import buzz
from vqspeech.errors import AudioError, MissingExtra
from vqspeech.metrics.measures.quality import pesq, require_packages, stoi


@pytest.fixture(scope="module")
def voice():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    return buzz(1.5, 120.0)


@pytest.mark.parametrize(("measure", "best"), [(pesq, 4.644), (stoi, 1.0)])
def test_nothing_changed_is_best_and_noise_makes_it_worse(voice, measure, best):
    noise = np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    marks = [measure(voice, voice + level * noise) for level in (0.0, 0.01, 0.2)]
    assert marks[0] == pytest.approx(best, abs=1e-3)
    assert marks[0] > marks[1] > marks[2]


@pytest.mark.parametrize("measure", [pesq, stoi])
def test_what_one_has_more_of_is_not_compared(voice, measure):
    assert measure(voice, np.pad(voice, (0, 3000))) == measure(voice, voice)


@pytest.mark.parametrize("measure", [pesq, stoi])
def test_nothing_to_compare(voice, measure):
    for wave in (np.zeros_like(voice), voice[:3000]):
        with pytest.raises(AudioError, match="leave this recording out"):
            measure(wave, wave)


def test_too_little_speech(voice):
    with pytest.raises(AudioError, match=r"0\.4 s of speech"):
        stoi(voice[:5000], voice[:5000])


@pytest.mark.parametrize("package", ["pesq", "pystoi"])
def test_missing_package_is_named(monkeypatch, package):
    for name in ("pesq", "pystoi"):
        monkeypatch.setitem(sys.modules, name, None if name == package else np)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*vqspeech\[study\]"):
        require_packages()
