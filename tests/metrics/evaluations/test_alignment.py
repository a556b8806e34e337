"""Boundary errors against a matching written out, and pinned cases."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.phones import INDEX
from vqspeech.errors import AlignmentError
from vqspeech.metrics.evaluations import alignment
from vqspeech.metrics.evaluations.alignment import compare_alignments, make_rows, match_phones, score_alignments

HELLO = [Interval(*one) for one in [(0.0, 0.1, "sil"), (0.1, 0.2, "HH"), (0.2, 0.3, "AH0"), (0.3, 0.5, "L")]]
FEW = [INDEX["sil"], INDEX["spn"], INDEX["aa"], INDEX["b"]]


def matched_oracle(a, b, distances):
    """(edits, sum of distances) of the best way, by trying all."""

    @lru_cache(None)
    def best(i, j):
        if i == len(a) or j == len(b):
            return (len(a) - i + len(b) - j, 0.0)
        edits, far = best(i + 1, j)
        ways = [(edits + 1, far)]
        edits, far = best(i, j + 1)
        ways.append((edits + 1, far))
        if (a[i] in FEW[:2]) == (b[j] in FEW[:2]):
            edits, far = best(i + 1, j + 1)
            ways.append((edits + (a[i] != b[j]), far + distances[i, j]))
        return min(ways)

    return best(0, 0)


@settings(deadline=None)
@given(st.lists(st.sampled_from(FEW), max_size=6), st.lists(st.sampled_from(FEW), max_size=6), st.integers(0, 99))
def test_phones_are_matched_by_least_edits_then_least_distance(a, b, seed):
    distances = np.random.default_rng(seed).random((len(a), len(b)))
    pairs = match_phones(a, b, distances)
    assert [i for i, _ in pairs] == sorted({i for i, _ in pairs})
    assert [j for _, j in pairs] == sorted({j for _, j in pairs})
    edits = len(a) + len(b) - 2 * len(pairs) + sum(a[i] != b[j] for i, j in pairs)
    want_edits, want_far = matched_oracle(tuple(a), tuple(b), distances)
    assert edits == want_edits
    assert sum(distances[i, j] for i, j in pairs) == pytest.approx(want_far)
    assert all((a[i] in FEW[:2]) == (b[j] in FEW[:2]) for i, j in pairs)


def test_the_same_alignment_has_no_error():
    one = compare_alignments(HELLO, HELLO)
    assert one.errors.tolist() == [0, 0, 0] and one.pause.tolist() == [True, False, False]
    for row in make_rows([one, one]):
        assert row["median error (ms)"].value == 0
        assert (
            row["within 10 ms"].value == row["boundaries compared"].value == row["time with the same phone"].value == 1
        )


def test_boundaries_that_come_late_count_as_positive():
    late = [HELLO[0]._replace(end=0.112), *(Interval(s + 0.012, e + 0.012 * (e < 0.5), x) for s, e, x in HELLO[1:])]
    one = compare_alignments(late, HELLO)
    assert one.errors == pytest.approx([0.012] * 3)
    row = make_rows([one])[0]
    assert row["median, signed (ms)"].value == row["median error (ms)"].value == pytest.approx(12)
    assert (row["within 10 ms"].value, row["within 20 ms"].value) == (0, 1)
    # Of 50 frames, the one behind each of the three borders still has the phone before.
    assert row["time with the same phone"].value == 47 / 50


def test_other_phones_and_other_sets():
    # A substitution keeps its borders; a deletion loses both of its own.
    other = [*HELLO[:2], HELLO[2]._replace(label="ɪ"), HELLO[3]]
    assert compare_alignments(other, HELLO).errors.tolist() == [0, 0, 0]
    more = [HELLO[0], HELLO[1]._replace(end=0.15), Interval(0.15, 0.2, "Z"), *HELLO[2:]]
    assert np.isnan(compare_alignments(more, HELLO).errors).tolist() == [False, True, False]
    gone = [HELLO[0], HELLO[1]._replace(end=0.3), HELLO[3]]
    errors = compare_alignments(gone, HELLO).errors
    assert errors[0] == 0 and np.isnan(errors[1:]).all()
    assert make_rows([compare_alignments(gone, HELLO)])[0]["boundaries compared"].value == pytest.approx(1 / 3)


def test_a_gap_has_its_border_in_the_middle_and_pauses_that_touch_are_one():
    gap = [Interval(0.0, 0.1, "AA"), Interval(0.2, 0.3, "B")]
    assert compare_alignments([Interval(0.0, 0.16, "AA"), Interval(0.16, 0.3, "B")], gap).errors == pytest.approx(
        [0.01]
    )
    pauses = [Interval(0.0, 0.05, "sp"), Interval(0.05, 0.1, "sil"), *HELLO[1:]]
    assert compare_alignments(pauses, HELLO).errors.tolist() == [0, 0, 0]


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-100, 100), max_size=5), min_size=1, max_size=4))
def test_the_median_is_the_middle_value(values):
    found = alignment._median([np.array(some) for some in values]).value
    together = sorted(value for group in values for value in group)
    assert np.isnan(found) if not together else found == together[(len(together) - 1) // 2]


def test_files_by_utterance(tmp_path, capsys):
    for name in ("a", "b", "c"):
        write_ctm(tmp_path / f"{name}.ctm", name, HELLO)
    paths = {name: str(tmp_path / f"{name}.ctm") for name in ("a", "b", "c")}
    (tmp_path / "c.ctm").write_text("rubbish\n")
    table, count, skipped = score_alignments({"a": paths["a"], "c": paths["c"], "x": "/nowhere"}, paths)
    assert count == 1 and list(skipped.reasons) == ["c"] and table[0]["within 10 ms"].value == 1
    with pytest.raises(AlignmentError, match=r"\(x\) and \(a, b, c\); do their utterance ids agree"):
        score_alignments({"x": paths["a"]}, paths)


def test_intervals_redraw_speakers(tmp_path):
    """Of ten speakers half are found 15 ms late, each in four utterances: by these the interval is half as wide."""
    late = [one._replace(start=one.start + 0.015 * (i > 0), end=one.end + 0.015) for i, one in enumerate(HELLO)]
    found, reference, speakers = {}, {}, {}
    for i in range(40):
        name = f"u{i:02d}"
        write_ctm(tmp_path / f"{name}.ctm", name, late if i // 4 % 2 else HELLO)
        write_ctm(tmp_path / f"{name}-right.ctm", name, HELLO)
        found[name], reference[name] = (str(tmp_path / f"{name}{end}.ctm") for end in ("", "-right"))
        speakers[name] = f"s{i // 4}"
    alone, by_speaker = (score_alignments(found, reference, 1, some)[0][0]["within 10 ms"] for some in (None, speakers))
    assert alone.value == by_speaker.value
    assert by_speaker.high - by_speaker.low > 1.6 * (alone.high - alone.low)


def test_labels_of_no_phone_set_are_not_compared(tmp_path):
    write_ctm(tmp_path / "a.ctm", "a", HELLO)
    write_ctm(tmp_path / "b.ctm", "a", [*HELLO[:2], *(one._replace(label="??") for one in HELLO[2:])])
    good, bad = ({"a": str(tmp_path / name)} for name in ("a.ctm", "b.ctm"))
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(AlignmentError, match=r"labelled as speech .* has no known phone: .*'\?\?'"):
            score_alignments(*pair)
