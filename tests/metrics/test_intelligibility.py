import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech import audio
from vqspeech.errors import MissingExtra
from vqspeech.metrics import intelligibility
from vqspeech.metrics.intelligibility import cer, wer
from vqspeech.metrics.text import normalised, ordinal, spelled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He hoped -- there'd be STEW!", "he hoped thered be stew"),
        ("Mr. Smith paid $5 on the 23rd", "mister smith paid five dollars on the twenty third"),
        ("in 1834, 1,250 people", "in eighteen thirty four one thousand two hundred fifty people"),
        ("1905; 007; 100%", "nineteen oh five zero zero seven one hundred percent"),
        ("café\n naïve", "cafe naive"),
        ("...", ""),
        ("9" * 5000, " ".join(["nine"] * 5000)),
    ],
)
def test_normalised(text, expected):
    assert normalised(text) == expected


@given(st.text(max_size=60))
def test_normalised_is_letters_and_single_spaces_and_stays(text):
    once = normalised(text)
    assert all("a" <= c <= "z" or c == " " for c in once)
    assert "  " not in once and once == once.strip()
    assert normalised(once) == once


def test_numbers():
    assert [spelled(n) for n in (0, 13, 40, 99, 1000000)] == ["zero", "thirteen", "forty", "ninety nine", "one million"]
    assert [ordinal(n) for n in (1, 12, 20, 31, 100)] == [
        "first",
        "twelfth",
        "twentieth",
        "thirty first",
        "one hundredth",
    ]


def edits(a, b):
    """Levenshtein's table, written out."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            substituted = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(substituted, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


def test_rates_are_of_the_corpus_as_the_oracle_counts_them():
    pytest.importorskip("jiwer")
    references = ["the cat sat on the mat", "a dog", "", "hello world again"]
    hypotheses = ["the cat sat on a mat", "a dog barks", "ghost", ""]
    pairs = [(h, r) for h, r in zip(hypotheses, references, strict=True) if r]
    words, letters = wer(hypotheses, references), cer(hypotheses, references)
    assert words.n == letters.n == 3
    assert words.value == sum(edits(h.split(), r.split()) for h, r in pairs) / sum(len(r.split()) for _, r in pairs)
    assert letters.value == sum(edits(h, r) for h, r in pairs) / sum(len(r) for _, r in pairs)


def test_a_missing_package_names_the_fix(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "moonshine_voice", None)
    with pytest.raises(MissingExtra, match=r"moonshine_voice is not installed.*vqspeech\[eval\]"):
        intelligibility.Moonshine()


def test_moonshine_on_librispeech(corpora):
    pytest.importorskip("moonshine_voice", reason="the judges are not installed: bash tools/install.sh eval")
    asr = intelligibility.Moonshine()
    lists = sorted((corpora / "LibriSpeech").glob("*/*/*/*.trans.txt"))[::4][:8]
    lines = [(path, *path.read_text().splitlines()[1].split(" ", 1)) for path in lists]
    waves = [audio.waveform(path.parent / f"{name}.flac") for path, name, _ in lines]
    found = wer([asr.transcribe(wave) for wave in waves], [text for *_, text in lines])
    assert found.value < 0.12, found
    assert asr.transcribe(np.zeros(8000, dtype=np.float32)) is not None
