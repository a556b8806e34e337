"""Measures of samples: pinned cases, and plain oracles."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.metrics import prior as prior_measures
from vqspeech.metrics import sample_report, samples
from vqspeech.metrics.kneser_ney import KneserNey
from vqspeech.metrics.sample_report import BABBLE, RESYNTHESISED, SURE, Clips, Speech


def js(p, q):
    """Jensen–Shannon divergence of two counters in bits, by the definition."""
    total = 0.0
    for one, other in ((p, q), (q, p)):
        for key, count in one.items():
            share = count / sum(one.values())
            middle = (share + other.get(key, 0) / sum(other.values())) / 2
            total += share * np.log2(share / middle) / 2
    return total


def pairs(sequences):
    found = Counter()
    for one in sequences:
        ran = [c for i, c in enumerate(one) if not i or c != one[i - 1]]
        found.update(zip(ran[:-1], ran[1:], strict=True))
    return found


LISTS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=20), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(LISTS, LISTS)
def test_divergence_against_its_definition(ours, theirs):
    found = samples.divergence([np.array(one) for one in ours], [np.array(one) for one in theirs])
    if pairs(ours) and pairs(theirs):
        assert found.value == pytest.approx(js(pairs(ours), pairs(theirs)), abs=1e-9)
    else:
        assert np.isnan(found.value)


def test_divergence_of_the_same_and_of_strangers():
    same = [np.array([0, 1, 1, 2, 0]), np.array([0, 1, 2, 2, 0])]
    assert samples.divergence(same, same).value == 0
    assert samples.divergence(same, [np.array([5, 6, 7, 7, 5])]).value == 1
    noise = [np.random.default_rng(i).integers(0, 30, 500) for i in range(20)]
    found = samples.divergence(noise[:10], noise[10:])
    assert found.low < found.value < found.high and found.n == 10


def test_repetition():
    never, always = np.arange(50), np.array([1, 2, 3] * 20)
    assert samples.repetition([never]).value == 0
    assert samples.repetition([np.repeat(never, 3)]).value == 0, "a code that is held is one code"
    assert samples.repetition([always]).value == (57 - 3) / 57
    assert samples.repetition([never, always]).value == (57 - 3) / (57 + 47)
    assert np.isnan(samples.repetition([np.array([1, 2, 2, 3])]).value), "too short for one sequence"


def test_words():
    words = frozenset(["the", "cat"])
    heard = [["the", "cat", "zzz"], []]
    assert samples.words_a_second(heard, [2.0, 4.0]).value == 0.5
    assert samples.known_words(heard, words).value == pytest.approx(2 / 3)
    sure = [frozenset(["the", "zzz"]), frozenset()]
    assert samples.sure_words_a_second(sure, [2.0, 2.0], words).value == 0.25
    assert samples.sure_words_a_second(sure, [2.0, 2.0], None).value == 0.5


@dataclass
class Listener:
    """Hears what its script says of a clip of about so many samples."""

    script: dict[int, str]
    name: str = "script"

    def transcribe(self, wave):
        return self.script[min(self.script, key=lambda n: abs(n - len(wave)))]


def test_words_that_are_heard_at_one_speed_only_are_not_sure():
    listener = Listener({1600: "One, two two three", 1700: "two three four.", 1506: "THREE five"})
    wave = np.zeros(1600, dtype=np.float32)
    assert samples.sure_words(wave, ["one", "two", "two", "three"], listener) == {"three"}
    assert samples.sure_words(wave, [], listener) == frozenset()


def test_dictionary_has_words():
    pytest.importorskip("pocketsphinx")
    words = samples.dictionary()
    assert {"the", "tomato", "dont", "a"} <= words and len(words) > 100_000
    assert not {"zzzq", "<s>", "the2"} & words


def test_perplexity():
    found = samples.perplexity([np.full(10, 3.0), np.full(30, 5.0)])
    assert found.value == 2**4.5 and found.low == 2**3 and found.high == 2**5 and found.n == 2


def test_cut():
    codes = [np.arange(5), np.arange(3), np.arange(9)]
    assert [len(one) for one in samples.cut(codes, 7)] == [5, 2]
    assert [len(one) for one in samples.cut(codes, 99)] == [5, 3, 9]


def clips(name, codes, sure=None):
    if sure is None:
        return Clips(name, codes)
    words = [[*sure, *sure]] * len(codes)
    return Clips(name, codes, [1.0] * len(codes), words, [frozenset(sure)] * len(codes))


def test_the_table():
    codes = [np.random.default_rng(i).integers(0, 8, 60) for i in range(4)]
    noise = [np.random.default_rng(9 + i).integers(0, 8, 60) for i in range(4)]
    speech = Speech(KneserNey(codes, 8, 3), codes, np.arange(8) // 2, frozenset("abcdef"))
    table = [
        clips(RESYNTHESISED, codes, "abcd"), clips("prior", codes[:2], "abc"), clips(BABBLE, noise, ""),
        clips("prior: codes as drawn", codes),
    ]  # fmt: skip
    rows, notes = sample_report.rows(table, speech)
    by_name = {row["row"]: row for row in rows}
    assert by_name["prior"][SURE].value == 3 and by_name["prior"]["babble-free: words"] == 0.75
    assert by_name[BABBLE]["babble-free: words"] == 0 and by_name[RESYNTHESISED]["babble-free: words"] == 1
    values = [np.log(by_name[name]["perplexity"].value) for name in ("prior", BABBLE, RESYNTHESISED)]
    share = (values[0] - values[1]) / (values[2] - values[1])
    assert by_name["prior"]["babble-free: codes"] == pytest.approx(share)
    assert SURE not in by_name["prior: codes as drawn"]
    assert all(row["perplexity"].n == 2 for row in rows), "all are cut to the least: 120 codes"
    assert by_name[BABBLE]["code pairs: divergence"].value > by_name[RESYNTHESISED]["code pairs: divergence"].value
    assert by_name["prior"]["phone pairs: divergence"].value < by_name["prior"]["code pairs: divergence"].value
    assert "first 120 of each row" in notes[0]
    bare, _ = sample_report.rows(table[1:2], Speech(KneserNey(codes, 8, 3), codes, None, None))
    assert set(bare[0]) == {"row", "words/s", SURE, "perplexity", "repetition", "code pairs: divergence"}


def test_rows_of_bits():
    held = {"uniform": [np.full(4, 3.0), np.full(4, 3.0)], prior_measures.TRIGRAM: [np.full(4, 2.0), np.full(4, 2.5)]}
    held[prior_measures.PRIOR] = [np.full(4, 1.0), np.full(4, 2.0)]
    rows = prior_measures.rows(held, {prior_measures.PRIOR: [np.full(2, 0.5)]}, 50.0)
    by_name = {row["row"]: row for row in rows}
    prior = by_name[prior_measures.PRIOR]
    assert (prior["bits/code, held out"].value, prior["bits/s, held out"].value, prior["gap"]) == (1.5, 75, 1.0)
    assert "gap" not in by_name["uniform"]
    spared = rows[-1]["bits/code, held out"]
    assert (spared.value, spared.low, spared.high, spared.n) == (0.75, 0.5, 1.0, 2)
