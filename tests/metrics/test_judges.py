import sys

import numpy as np
import pytest

from vqspeech import audio
from vqspeech.errors import AudioError, ConfigError, MissingExtra
from vqspeech.metrics import judges as judging
from vqspeech.metrics.judges import load_judges
from vqspeech.metrics.measures import verification
from vqspeech.metrics.measures.intelligibility import wer

MINE = """
class Ears:
    name, packages = "ears", ("numpy",)

    def transcribe(self, wave):
        return "hello"

    def embedding(self, wave):
        return wave[:2]

    def rating(self, wave):
        return 3.0


class Nameless:
    def transcribe(self, wave):
        return ""


class Broken:
    def __init__(self):
        import whisper_of_nowhere
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "my_judges.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield
    sys.modules.pop("my_judges", None)
    load_judges.cache_clear()


def test_a_judge_of_ones_own(mine):
    found = load_judges(*["my_judges:Ears"] * 3)
    assert found.recogniser.name == "ears" and found.packages == ["numpy"] * 3
    assert load_judges(*["my_judges:Ears"] * 3) is found, "made once"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whisper", "name a class as MODULE:CLASS"),
        ("no_such_module:X", "no_such_module"),
        ("my_judges:X", "no attribute 'X'"),
        ("my_judges:Nameless", "has no name; see vqspeech.metrics.judges"),
        ("my_judges:Broken", "whisper_of_nowhere"),
        ("vqspeech.metrics.judges:Rater", "--asr"),
    ],
)
def test_names_of_no_judge(mine, name, message):
    with pytest.raises(ConfigError, match=message):
        load_judges(name, *["my_judges:Ears"] * 2)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("moonshine_voice", r"pip install 'vqspeech\[eval\]'$"),
        ("resemblyzer", r"pip install 'vqspeech\[eval\]' && pip install --no-deps resemblyzer$"),
        ("speechmos.dnsmos", r"pip install 'vqspeech\[eval\]'$"),
    ],
)
def test_a_missing_extra_is_one_line(mine, module, command, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    kind = {"moonshine_voice": judging.ASR, "resemblyzer": judging.VERIFIER}.get(module, judging.RATER)
    defaults = (judging.ASR, judging.VERIFIER, judging.RATER)
    with pytest.raises(MissingExtra, match=command):
        load_judges(*(name if name == kind else "my_judges:Ears" for name in defaults))


def test_a_missing_package_names_the_fix(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "moonshine_voice", None)
    with pytest.raises(MissingExtra, match=r"moonshine_voice is not installed.*vqspeech\[eval\]"):
        judging.Moonshine()


def test_moonshine_on_librispeech(corpora):
    pytest.importorskip("moonshine_voice", reason="the judges are not installed: bash tools/install.sh eval")
    asr = judging.Moonshine()
    lists = sorted((corpora / "LibriSpeech").glob("*/*/*/*.trans.txt"))[::4][:8]
    lines = [(path, *path.read_text().splitlines()[1].split(" ", 1)) for path in lists]
    waves = [audio.read_waveform(path.parent / f"{name}.flac") for path, name, _ in lines]
    found = wer([asr.transcribe(wave) for wave in waves], [text for *_, text in lines])
    assert found.value < 0.12, found
    assert asr.transcribe(np.zeros(8000, dtype=np.float32)) is not None


def test_resemblyzer_tells_readers_apart(corpora):
    pytest.importorskip("resemblyzer", reason="the judges are not installed: bash tools/install.sh eval")
    verifier = judging.Resemblyzer()
    readers = sorted((corpora / "LibriSpeech").glob("*/*/"))[:3]
    vectors = {
        reader.name: [verifier.embedding(audio.read_waveform(path)) for path in sorted(reader.glob("*/*.flac"))[:4]]
        for reader in readers
    }
    found = verification.average_voices({name: some[:3] for name, some in vectors.items()})
    for name, some in vectors.items():
        assert np.linalg.norm(some[3]) == pytest.approx(1, abs=1e-5)
        assert verification.find_nearest(some[3], found) == name
    with pytest.raises(AudioError, match="silence"):
        verifier.embedding(np.zeros(16000, dtype=np.float32))


def test_dnsmos_prefers_clean_speech(corpora):
    pytest.importorskip("speechmos", reason="the judges are not installed: bash tools/install.sh eval")
    rater = judging.DNSMOS()
    wave = audio.read_waveform(next((corpora / "LibriSpeech").glob("*/*/*/*.flac")))
    noisy = wave + 0.1 * np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    assert 1 < rater.rating(noisy) < rater.rating(wave) - 0.5 < 5


def test_the_names_of_version_0_1_are_still_taken(monkeypatch):
    for old, new in judging._MOVED.items():
        monkeypatch.setattr(judging, new.partition(":")[2], lambda: "made")
        with pytest.raises(ConfigError, match=f"--asr {old}: has no name and no x"):
            judging._made(old, "--asr", "x")
