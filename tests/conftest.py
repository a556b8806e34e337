"""What several tests share."""

import io
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vqspeech import audio
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.dump import Shards, write_shards
from vqspeech.progress import LOGGER

ROOT = Path(__file__).resolve().parents[1]

# A job in the background of a script is started with these ignored, and so would be the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGTERM"):
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, _name), signal.SIG_DFL)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real corpora: $VQSPEECH_CORPORA, or shared/corpora beside the project."""
    path = Path(os.environ.get("VQSPEECH_CORPORA") or ROOT.parent / "shared" / "corpora")
    if not path.is_dir():
        pytest.skip("no real corpora: set VQSPEECH_CORPORA to a folder that holds LibriSpeech/ and VCTK-Corpus/")
    return path


@pytest.fixture
def messages() -> Iterator[Callable[[], str]]:
    """Return a function that returns the messages of the library since it was called last, a line each."""
    stream = io.StringIO()
    handler, level = logging.StreamHandler(stream), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)

    def take() -> str:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text

    yield take
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def buzz(seconds: float, f0: float, seed: int = 0) -> np.ndarray:
    """A voice-like waveform `(samples,)`: harmonics of `f0` Hz under a moving resonance, a little noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * audio.RATE)) / audio.RATE
    formant = 700 + 400 * np.sin(2 * np.pi * 2.3 * time + seed)
    harmonics = np.arange(1, int(4000 / f0))[:, None]
    strength = np.exp(-(((harmonics * f0 - formant) / 300) ** 2)) + 0.03
    wave = (strength * np.sin(2 * np.pi * harmonics * f0 * time)).sum(0)
    wave = wave / np.abs(wave).max() * 0.4 + 0.003 * generator.standard_normal(len(time))
    return wave.astype(np.float32)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> DataDir:
    """Two voices, four utterances each of 0.7 to 1.3 s."""
    folder = tmp_path_factory.mktemp("small")
    utterances = []
    for speaker, f0 in (("high", 210.0), ("low", 105.0)):
        for i in range(4):
            path = folder / f"{speaker}-{i}.wav"
            soundfile.write(path, buzz(0.7 + 0.2 * i, f0, i), audio.RATE)
            utterances.append(Utterance(path.stem, speaker, str(path)))
    return DataDir(utterances)


@pytest.fixture(scope="session")
def small_shards(small_data, tmp_path_factory) -> Shards:
    """The dump of `small_data`, with WORLD frames."""
    return write_shards(small_data, tmp_path_factory.mktemp("shards"), with_world=True)[0]
