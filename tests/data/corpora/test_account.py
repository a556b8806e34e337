"""The account of a corpus."""

import pytest

from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.errors import CorpusError


def test_examples_are_few():
    account = Account("corpus", recordings=9)
    for i in range(9):
        account.drop(f"file{i}", "too loud")
    assert account.summary() == (
        "corpus: found 9 recordings\nkept 0 utterances of 0 speakers\ndropped 9: too loud (file0, file1, file2, ...)"
    )


def test_nothing_left_says_why():
    account = Account("corpus", recordings=2)
    account.drop("a", "too loud")
    account.drop("b", "too loud")
    with pytest.raises(CorpusError, match=r"none of 2 recordings of corpus can be used \(2 too loud\)"):
        measure_utterances([], account)
