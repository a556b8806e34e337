"""Measures of samples: pinned cases, and plain oracles."""

import itertools
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.measures.test_kneser_ney import chain
from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.data.units import Units
from vqspeech.jobs import Skipped
from vqspeech.metrics.evaluations import prior as prior_measures
from vqspeech.metrics.evaluations import samples as evaluation
from vqspeech.metrics.evaluations.samples import BABBLE, JUDGED, NGRAM, RESYNTHESISED, SURE, Clips, Judge, Speech
from vqspeech.metrics.measures import samples
from vqspeech.metrics.measures.kneser_ney import KneserNey


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
        found.update(itertools.pairwise(ran))
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
    assert samples.word_rate(heard, [2.0, 4.0]).value == 0.5
    assert samples.known_word_share(heard, words).value == pytest.approx(2 / 3)
    sure = [frozenset(["the", "zzz"]), frozenset()]
    assert samples.sure_word_rate(sure, [2.0, 2.0], words).value == 0.25
    assert samples.sure_word_rate(sure, [2.0, 2.0], None).value == 0.5


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
    assert samples.find_sure_words(wave, ["one", "two", "two", "three"], listener) == {"three"}
    assert samples.find_sure_words(wave, [], listener) == frozenset()


def test_dictionary_has_words():
    pytest.importorskip("pocketsphinx")
    words = samples.read_dictionary()
    assert {"the", "tomato", "dont", "a"} <= words and len(words) > 100_000
    assert not {"zzzq", "<s>", "the2"} & words


def test_perplexity():
    found = samples.perplexity([np.full(10, 3.0), np.full(30, 5.0)])
    assert found.value == 2**4.5 and found.low == 2**3 and found.high == 2**5 and found.n == 2


def test_cut():
    codes = [np.arange(5), np.arange(3), np.arange(9)]
    assert [len(one) for one in samples.cut_codes(codes, 7)] == [5, 2]
    assert [len(one) for one in samples.cut_codes(codes, 99)] == [5, 3, 9]


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
    rows, notes = evaluation.make_rows(table, speech)
    assert "babble-free: units" not in rows[1] and JUDGED not in rows[1], "no judge, and n-grams judge none"
    by_name = {row["row"]: row for row in rows}
    assert by_name["prior"][SURE].value == 3 and by_name["prior"]["babble-free: words"] == 0.75
    assert by_name[BABBLE]["babble-free: words"] == 0 and by_name[RESYNTHESISED]["babble-free: words"] == 1
    assert SURE not in by_name["prior: codes as drawn"]
    assert all(row[NGRAM].n == 2 for row in rows), "all are cut to the least: 120 codes"
    assert by_name[BABBLE]["code pairs: divergence"].value > by_name[RESYNTHESISED]["code pairs: divergence"].value
    assert by_name["prior"]["phone pairs: divergence"].value < by_name["prior"]["code pairs: divergence"].value
    assert "first 120 of each row" in notes[0]
    bare, _ = evaluation.make_rows(table[1:2], Speech(KneserNey(codes, 8, 3), codes, None, None))
    assert set(bare[0]) == {"row", "words/s", SURE, NGRAM, "repetition", "code pairs: divergence"}


class Reader:
    """A prior of one unit more than there are codes, that takes a unit as many bits as it says, and one."""

    config, size, rate = {"prior": {"name": "transformer"}}, 9, 25.0

    def parameters(self):
        return iter([torch.zeros(3)])

    def bits(self, codes, voices):
        assert voices == [None] * len(codes)
        return [one + 1.0 for one in codes]


def test_the_judge_is_given_units_of_another_encoder():
    """Babble takes 5 bits a unit, speech 1, a sample 2: it is three quarters of the way, whatever its codes are."""
    codes = [np.random.default_rng(i).integers(0, 8, 60) for i in range(4)]
    judge = Judge(cast(Any, None), cast(Any, Reader()))
    speech = Speech(KneserNey(codes, 8, 3), codes, None, None, judge)
    units = {RESYNTHESISED: np.zeros(12, int), "prior": np.ones(15, int), BABBLE: np.full(13, 4)}
    more = {"prior": [np.ones(9, int), np.full(6, 9)]}  # the last ones are behind the 24 that are judged of each row
    table = [
        replace(clips(name, codes, "ab"), units=[one, np.concatenate(more.get(name, [one]))])
        for name, one in units.items()
    ]
    rows, notes = evaluation.make_rows([*table, clips("prior: codes as drawn", codes)], speech)
    assert [row[JUDGED].value for row in rows[:3]] == [2, 4, 32] and JUDGED not in rows[3]
    assert [row["babble-free: units"] for row in rows[:3]] == pytest.approx([1, 0.75, 0])
    assert any("transformer of 3 parameters over 9 units at 25 Hz of another encoder" in note for note in notes)
    assert any("the first 24 units of each row" in note for note in notes)


def test_sounds_are_encoded_by_the_model_for_codes_and_by_the_judges_encoder_for_the_judge(tmp_path):
    class Encoder:
        def __init__(self, hop):
            self.hop = hop

        def encode(self, wave):
            return np.full(len(wave) // self.hop, self.hop)

    class Deaf:
        def transcribe(self, wave):
            return "One"

    audio.write(tmp_path / "a.wav", np.full(3200, 0.1, np.float32))
    judge = Judge(cast(Any, Encoder(640)), cast(Any, Reader()))
    spoken = [Utterance("a", "s", str(tmp_path / "a.wav")), Utterance("b", "s", str(tmp_path / "none.wav"))]
    skipped = Skipped()
    found = evaluation.transcribe_clips("x", spoken, cast(Any, Encoder(160)), cast(Any, Deaf()), skipped, judge)
    assert found.units is not None and list(skipped.reasons) == ["x b"]
    assert [one.tolist() for one in (*found.codes, *found.units)] == [[160] * 20, [640] * 5]
    assert (found.seconds, found.words, found.speakers) == ([0.2], [["one"]], ["s"])
    alone = evaluation.transcribe_clips("x", spoken[:1], cast(Any, Encoder(160)), cast(Any, Deaf()), skipped)
    assert alone.units is None


def test_intervals_of_recordings_redraw_their_speakers():
    """Speakers say 1 or 5 different words, each in four clips: by clips the interval is half as wide."""
    codes = [np.random.default_rng(i).integers(0, 8, 60) for i in range(40)]
    sure = [frozenset("abcde"[: 1 + 4 * (i // 4 % 2)]) for i in range(40)]
    one = Clips(RESYNTHESISED, codes, [1.0] * 40, [["a"]] * 40, sure, speakers=[f"s{i // 4}" for i in range(40)])
    speech = Speech(KneserNey(codes, 8, 3), codes, None, None)
    widths = []
    for table in ([one], [replace(one, speakers=None)]):
        rows, notes = evaluation.make_rows(table, speech)
        widths.append(rows[0][SURE].high - rows[0][SURE].low)
        assert any("intervals redraw 10 speakers" in note for note in notes) == (table == [one])
    assert widths[0] > 1.6 * widths[1]


def units(codes):
    return Units({str(i): np.array(one) for i, one in enumerate(codes)}, 50.0, 8, "m", "0" * 64)


def test_rows_of_bits():
    ngram, prior = prior_measures.NGRAM, prior_measures.PRIOR
    held = {"uniform": [np.full(4, 3.0), np.full(4, 3.0)], ngram: [np.full(4, 2.0), np.full(4, 2.5)]}
    held[prior] = [np.full(4, 1.0), np.full(4, 2.0)]
    rows = prior_measures.make_rows(held, {prior: [np.full(2, 0.5)]}, 50.0)
    by_name = {row["row"]: row for row in rows}
    row = by_name[prior]
    assert (row["bits/code, held out"].value, row["bits/s, held out"].value, row["gap"]) == (1.5, 75, 1.0)
    assert "gap" not in by_name["uniform"]
    saved = by_name["saved by the prior beside the n-gram"]["bits/code, held out"]
    assert (saved.value, saved.low, saved.high, saved.n) == (0.75, 0.5, 1.0, 2)
    assert prior_measures.select_prior_bits(held) is held[prior]


def test_a_prior_that_is_told_the_speaker_stands_beside_n_grams_that_are():
    ngram, prior = prior_measures.NGRAM, prior_measures.PRIOR
    held = {ngram: [np.full(4, 4.0)] * 2, prior_measures.SPEAKER.format(ngram): [np.full(4, 2.0)] * 2}
    held |= {prior: [np.full(4, 3.0)] * 2, prior_measures.SPEAKER.format(prior): [np.full(4, 1.5)] * 2}
    rows = {row["row"]: row for row in prior_measures.make_rows(held, {}, 50.0)}
    saved = {name: row["bits/code, held out"].value for name, row in rows.items() if name.startswith("saved")}
    assert saved == {
        "saved by the prior beside the n-gram": 1.0,
        "saved by the prior beside the n-gram, conditioned on the speaker": 0.5,
    }
    assert prior_measures.select_prior_bits(held)[0][0] == 1.5


def test_intervals_of_bits_redraw_speakers():
    """Twelve speakers of five utterances each, who differ in nothing but themselves."""
    bits = [np.full(4, float(i // 5 % 2)) for i in range(60)]
    alone, grouped = (
        prior_measures.make_rows({"prior": bits}, {}, 50.0, groups)[0]["bits/code, held out"]
        for groups in (None, [f"s{i // 5}" for i in range(60)])
    )
    assert grouped.value == alone.value == 0.5 and grouped.high - grouped.low > 1.8 * (alone.high - alone.low)


@pytest.mark.parametrize("with_dev", [True, False])
def test_n_grams_are_chosen_on_held_out_units(with_dev):
    """Of pairs, each voice with its own: bigrams, and the speaker's own ones beside them."""
    train, dev = units(chain(2, 40, 60, 0, 8, 2)), units(chain(2, 10, 60, 1, 8, 2))
    voices = {str(i): "ab"[i % 2] for i in range(40)}
    found = prior_measures.fit_ngrams(train, voices, dev if with_dev else None, voices)
    order = found.best.order
    assert order > 2, "a longer history tells who speaks"
    assert found.unigram.order == 1 and found.speakers is not None
    assert found.speakers.weight >= 0.7 and found.speakers.order == 2
    assert (
        f"Kneser–Ney of order {order}, the best of 1 to 5 on " + ("held-out" if with_dev else "a tenth")
        in found.notes[0]
    )
    tested = dev.codes["0"]
    assert found.speakers.bits(tested, "a").mean() < found.best.bits(tested).mean() - 0.03
    everything = KneserNey(list(train.codes.values()), 8, order).bits(tested)
    np.testing.assert_array_equal(found.best.bits(tested), everything)  # fitted to all, chosen on a part
    assert prior_measures.fit_ngrams(train, {}, dev, {}).speakers is None
