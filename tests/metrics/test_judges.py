import sys

import pytest

from vqspeech.errors import ConfigError, MissingExtra
from vqspeech.metrics import judges as judging
from vqspeech.metrics.judges import judges

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
    judges.cache_clear()


def test_a_judge_of_ones_own(mine):
    found = judges(*["my_judges:Ears"] * 3)
    assert found.recogniser.name == "ears" and found.packages == ["numpy"] * 3
    assert judges(*["my_judges:Ears"] * 3) is found, "made once"


@pytest.mark.parametrize(
    "name, message",
    [
        ("whisper", "name a class as MODULE:CLASS"),
        ("no_such_module:X", "no_such_module"),
        ("my_judges:X", "no attribute 'X'"),
        ("my_judges:Nameless", "has no name; see vqspeech.metrics.judges"),
        ("my_judges:Broken", "whisper_of_nowhere"),
        ("vqspeech.metrics.naturalness:Rater", "--asr"),
    ],
)
def test_names_of_no_judge(mine, name, message):
    with pytest.raises(ConfigError, match=message):
        judges(name, *["my_judges:Ears"] * 2)


@pytest.mark.parametrize(
    "module, command",
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
        judges(*(name if name == kind else "my_judges:Ears" for name in defaults))
