import pytest

from vqspeech.metrics.measures.intelligibility import cer, wer


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
