"""Maps from codes to phones, fitted to some utterances and scored on others."""

import numpy as np
import pytest

from vqspeech.errors import UnitsError
from vqspeech.metrics.aligned import Aligned, find_segments
from vqspeech.metrics.evaluations import mapping
from vqspeech.metrics.measures.bootstrap import FEWEST_SPEAKERS

SILENCE = 0


def utterances(names, codes, phones, rate=25.0):
    return [
        Aligned(name, name[0], rate, np.array(c), np.array(p), find_segments([]))
        for name, c, p in zip(names, codes, phones, strict=True)
    ]


def parts(fitted_codes, scored_codes, fitted_phones, scored_phones, size=60):
    fitted = utterances([f"a-{i}" for i in range(len(fitted_codes))], fitted_codes, fitted_phones)
    scored = utterances([f"b-{i}" for i in range(len(scored_codes))], scored_codes, scored_phones)
    return mapping.Parts(fitted, scored, size)


@pytest.fixture
def speech():
    random = np.random.default_rng(0)
    return [[random.integers(0, 41, 80) for _ in range(6)] for _ in "fs"]


def spoken_by(speakers, codes, phones):
    """Utterances that are all of one length, of these speakers in turn."""
    return [
        Aligned(f"{who}-{i}", who, 25.0, np.array(c), np.array(p), find_segments([]))
        for i, (who, c, p) in enumerate(zip(speakers, codes, phones, strict=True))
    ]


def test_intervals_redraw_speakers_where_they_are_enough():
    random = np.random.default_rng(0)
    phones = [random.integers(3, 41, 50) for _ in range(24)]
    for count in (4, 12):
        speakers = [f"s{i % count}" for i in range(24)]
        odds = {f"s{i}": 0.1 + 0.8 * i / count for i in range(count)}  # how often a speaker is told
        codes = [np.where(random.random(50) < odds[w], p, 0) for w, p in zip(speakers, phones, strict=True)]
        scored = spoken_by(speakers, codes, phones)
        fitted = spoken_by(["f"] * 2, [np.arange(41)] * 2, [np.arange(41)] * 2)
        found = mapping.make_rows({"m": mapping.Parts(fitted, scored, 41)}, "m")[1][mapping.WITHOUT]
        rights = [float((c == p).mean()) for c, p in zip(codes, phones, strict=True)]
        by_speaker = [np.mean([r for r, w in zip(rights, speakers, strict=True) if w == name]) for name in odds]
        units = by_speaker if count >= FEWEST_SPEAKERS else rights
        drawn = [np.mean(random.choice(units, len(units))) for _ in range(4000)]
        assert found.value == pytest.approx(np.mean(rights)) and found.n == 24
        assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.02)


def test_codes_of_stages_that_the_map_has_not_met_are_what_their_first_stage_is():
    # Stages of 2 and 3: codes 0 to 2 begin with 0, of which most are phone 5; code 2 is not among the fitted.
    found = parts([[0, 0, 1, 3]], [[2, 1, 3, 4]], [[5, 5, 6, 7]], [[5, 6, 7, 7]], size=6)
    staged = mapping.Parts(found.fitted, found.scored, 6, (2, 3))
    assert mapping.guess_phones(staged, speech=True)[1][0].tolist() == [5, 6, 7, 7]
    common = mapping.guess_phones(found, speech=True)[1][0].tolist()
    assert common == [5, 6, 7, 5], "of one stage it is the likeliest phone of all"


def test_rows_of_codes(speech):
    fitted, scored = speech
    names = [f"{'ab'[i % 2]}-{i}" for i in range(6)]
    told = utterances([f"f-{i}" for i in range(6)], fitted, fitted)
    right = mapping.Parts(told, utterances(names, scored, scored), 64)
    one = [np.full(80, 3) for _ in scored]
    none = mapping.Parts(told, utterances(names, one, scored), 64, (8, 8))
    rows = {row["row"]: row for row in mapping.make_code_rows({"right": right, "none": none})}
    assert rows["right"][mapping.PNMI].value == pytest.approx(1) and rows["none"][mapping.PNMI].value == 0
    assert rows["right"][mapping.BITS] == pytest.approx(25 * 6) and rows["none"][mapping.ENTROPY] == 0
    assert rows["none"][mapping.SPEAKER].value <= 0.5, "all pieces are alike"


def accuracies(rows, column):
    return {row["row"]: row[column].value for row in rows}


def test_one_chance_and_a_difference_of_exactly_zero(speech):
    fitted, scored = speech
    shift = [(phones + 7) % 41 for phones in fitted], [(phones + 7) % 41 for phones in scored]
    right = parts(*shift, fitted, scored)
    random = np.random.default_rng(1)
    drawn = [[random.integers(0, 41, 80) for _ in part] for part in (fitted, scored)]
    noise = parts(drawn[0], drawn[1], fitted, scored)
    rows = mapping.make_rows({"right": right, "same": right, "noise": noise}, "right")
    assert [row["row"] for row in rows] == ["most likely phone", "right", "same", "noise"]
    for column in (mapping.WITH, mapping.WITHOUT, mapping.PAPER):
        assert accuracies(rows, column)["right"] == 1
    assert accuracies(rows, mapping.WITHOUT)["noise"] < 0.1
    assert accuracies(rows, mapping.PAPER)["noise"] > accuracies(rows, mapping.WITHOUT)["noise"]
    same, worse = rows[2]["above right"], rows[3]["above right"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert worse.value == pytest.approx(accuracies(rows, mapping.WITHOUT)["noise"] - 1) and worse.high < -0.8


def test_the_map_is_that_of_the_fitted_utterances():
    # Code 0 is phone 5 there and phone 6 here; fitted to what it is scored on it would be always right.
    rows = mapping.make_rows({"m": parts([[0, 0, 1]], [[0, 0, 1, 1]], [[5, 5, 7]], [[6, 6, 7, 7]])}, "m")
    assert accuracies(rows, mapping.WITHOUT)["m"] == 0.5
    assert accuracies(rows, mapping.PAPER)["m"] == 1
    assert accuracies(rows, mapping.WITHOUT)["most likely phone"] == 0  # 5, the likeliest of the fitted ones


def test_silence_counts_in_one_column_only():
    # Mostly silence in what it is fitted to: with it the code is silence, on speech it is phone 5.
    rows = mapping.make_rows(
        {"m": parts([[0] * 5], [[0] * 4], [[SILENCE, SILENCE, SILENCE, 5, 5]], [[SILENCE, 5, 5, 5]])}, "m"
    )
    assert accuracies(rows, mapping.WITH)["m"] == 0.25
    assert accuracies(rows, mapping.WITHOUT)["m"] == 1


def test_the_difference_against_redrawing_by_hand(speech):
    fitted, scored = speech
    random = np.random.default_rng(3)
    spoilt = [np.where(random.random(80) < 0.1 * i, 50, phones) for i, phones in enumerate(scored)]
    half = [np.where(random.random(80) < 0.5, 50, phones) for phones in scored]
    a, b = parts(fitted, spoilt, fitted, scored), parts(fitted, half, fitted, scored)
    found = mapping.make_rows({"b": b, "a": a}, "b")[2]["above b"]
    hits = []
    for codes in (spoilt, half):
        # Code 50 does not occur among the fitted: it is their likeliest phone.
        speechless = np.concatenate(fitted)
        common = np.bincount(speechless[speechless > 1]).argmax()
        hits.append([[(common if c == 50 else c) == p for c, p in zip(cs, ps, strict=True) if p > 1]
                     for cs, ps in zip(codes, scored, strict=True)])  # fmt: skip
    one, two = ([(sum(u), len(u)) for u in model] for model in hits)
    value = sum(h for h, _ in one) / sum(n for _, n in one) - sum(h for h, _ in two) / sum(n for _, n in two)
    assert found.value == pytest.approx(value)
    drawn = []
    for _ in range(4000):
        picked = random.integers(0, 6, 6)
        frames = sum(one[i][1] for i in picked)
        drawn.append(sum(one[i][0] - two[i][0] for i in picked) / frames)
    assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.02)


def test_other_utterances_and_common_ones_are_errors(speech):
    fitted, scored = speech
    right = parts(fitted, scored, fitted, scored)
    with pytest.raises(UnitsError, match="encode the same data"):
        mapping.make_rows({"m": right, "less": mapping.Parts(right.fitted, right.scored[1:], 60)}, "m")
    with pytest.raises(UnitsError, match="both fitted to and scored on, such as a-0"):
        mapping.make_rows({"m": mapping.Parts(right.fitted, right.fitted, 60)}, "m")
