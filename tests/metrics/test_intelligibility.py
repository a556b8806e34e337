import numpy as np
import pytest

from vqspeech import audio
from vqspeech.errors import MissingExtra
from vqspeech.metrics import intelligibility
from vqspeech.metrics.intelligibility import cer, wer


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
    waves = [audio.read_waveform(path.parent / f"{name}.flac") for path, name, _ in lines]
    found = wer([asr.transcribe(wave) for wave in waves], [text for *_, text in lines])
    assert found.value < 0.12, found
    assert asr.transcribe(np.zeros(8000, dtype=np.float32)) is not None
