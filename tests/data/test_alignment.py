"""Alignment files, and phones per frame against a slow oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data import alignment
from vqspeech.data.alignment import Interval
from vqspeech.data.phones import INDEX, PHONES
from vqspeech.errors import AlignmentError

HELLO = [Interval(0.0, 0.1, "sil"), Interval(0.1, 0.15, "HH"), Interval(0.15, 0.2, "AH0"), Interval(0.2, 0.3, "L")]


def frame_phones_oracle(intervals, frames, rate):
    found = []
    for frame in range(frames):
        middle = (frame + 0.5) / rate
        inside = [i for i in intervals if i.start <= middle < i.end]
        found.append(INDEX.get(inside[0].label, -1) if inside else -1)
    return found


@st.composite
def alignments(draw):
    """Intervals with gaps between them and some unknown labels."""
    at, intervals = 0.0, []
    for _ in range(draw(st.integers(0, 12))):
        at += draw(st.sampled_from([0.0, 0.0, 0.031]))
        length = draw(st.floats(0.005, 0.2))
        intervals.append(Interval(at, at + length, draw(st.sampled_from([*PHONES, "??"]))))
        at += length
    return intervals


@given(alignments(), st.integers(0, 60), st.sampled_from([12.5, 25.0, 49.7, 100.0]))
def test_frame_phones_is_the_label_at_the_middle(intervals, frames, rate):
    found = alignment.frame_phones(intervals, frames, rate)
    assert found.dtype == np.int64 and found.tolist() == frame_phones_oracle(intervals, frames, rate)


def test_frame_phones_outside_and_in_gaps():
    gap = [HELLO[0], HELLO[3]]
    names = [PHONES[i] if i >= 0 else None for i in alignment.frame_phones(gap, 8, 20)]
    assert names == ["sil", "sil", None, None, "l", "l", None, None]


def test_frame_phones_shares_out_labels_of_several_phones():
    found = alignment.frame_phones([Interval(0, 0.4, "A@")], 4, 10, "espeak")
    assert [PHONES[i] for i in found] == ["aa", "aa", "r", "r"]


def test_unknown_labels_are_counted():
    intervals = [Interval(0, 1, "zz"), Interval(1, 2, "AA1"), Interval(2, 3, "zz")]
    assert alignment.unknown(intervals) == {"zz": 2}


@settings(deadline=None)  # it waits for the disk
@given(alignments())
def test_ctm_round_trip(tmp_path_factory, intervals):
    path = tmp_path_factory.mktemp("ctm") / "a.ctm"
    alignment.write_ctm(path, "utt", intervals)
    if not intervals:
        with pytest.raises(AlignmentError, match="no intervals"):
            alignment.read(path)
        return
    again = alignment.read(path, "utt")
    assert [i.label for i in again] == [i.label for i in intervals]
    assert np.allclose([i[:2] for i in again], [i[:2] for i in intervals], atol=2e-5)


def test_textgrid_round_trip(tmp_path):
    path = tmp_path / "a.TextGrid"
    intervals = [Interval(0.1, 0.15, 'H"H'), Interval(0.25, 0.3, "ɹ")]
    alignment.write_textgrid(path, {"phones": intervals}, seconds=0.5)
    again = alignment.read(path)
    assert [i.label for i in again] == ["", 'H"H', "", "ɹ", ""]
    assert [i[:2] for i in again if i.label] == [i[:2] for i in intervals] and again[-1].end == 0.5


def test_textgrid_takes_the_phone_tier(tmp_path):
    import textgrid

    grid = textgrid.TextGrid(maxTime=1.0)
    for name, label in (("speaker - words", "hi"), ("speaker - phones", "HH")):
        tier = textgrid.IntervalTier(name, 0, 1)
        tier.add(0, 0.5, label)
        grid.append(tier)
    grid.write(str(tmp_path / "a.TextGrid"))
    assert alignment.read(tmp_path / "a.TextGrid")[0] == (0.0, 0.5, "HH")
    grid.pop()
    grid.append(textgrid.IntervalTier("notes", 0, 1))
    grid.write(str(tmp_path / "b.TextGrid"))
    with pytest.raises(AlignmentError, match="named 'phones'.*'speaker - words', 'notes'"):
        alignment.read(tmp_path / "b.TextGrid")


def test_lab_phn_and_full_context_labels(tmp_path):
    (tmp_path / "a.lab").write_text("         0     850000 pau\n    850000    2850000 x^pau-p+l=iy@1_2/A:0\n")
    assert alignment.read(tmp_path / "a.lab") == [
        (0.0, pytest.approx(0.085), "pau"),
        (0.085, pytest.approx(0.285), "p"),
    ]
    (tmp_path / "a.phn").write_text("0 3050 h#\n3050 4559 sh\n\n4559 4559 ix\n")
    assert alignment.read(tmp_path / "a.phn") == [(0, 3050 / 16000, "h#"), (3050 / 16000, 4559 / 16000, "sh")]


def test_ctm_of_many_utterances(tmp_path):
    path = tmp_path / "ali.ctm"
    path.write_text("a 1 0.00 0.10 sil 0.9\na 1 0.10 0.05 AH0\nb 1 0.00 0.30 sil\n")
    assert [i.label for i in alignment.read(path, "a")] == ["sil", "AH0"]
    assert len(alignment.read(path, "b")) == 1
    with pytest.raises(AlignmentError, match="2 utterances; say which"):
        alignment.read(path)
    with pytest.raises(AlignmentError, match="no line of utterance c"):
        alignment.read(path, "c")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ctm", "a 1 0.0 0.1\n", r"a.ctm:1: want 'utterance channel"),
        ("a.ctm", "a 1 zero 0.1 b\n", r"a.ctm:1: 'zero' is no time"),
        ("a.ctm", "a 1 -1 0.1 b\n", "out of range"),
        ("a.ctm", "a 1 nan 0.1 b\n", "out of range"),
        ("a.ctm", "a 1 0.0 0.2 b\na 1 0.1 0.2 k\n", r"'b' \(0.0000 to 0.2000 s\) and 'k' \(0.1000 .* overlap"),
        ("a.ctm", "", "no intervals"),
        ("a.lab", "0 200000 a\n100000 300000 b\n", "overlap"),
        ("a.lab", "500000 400000 a\n", "starts at 0.0500 s and ends at 0.0400"),
        ("a.phn", "0 12\n", "want 'start end phone'"),
        ("a.TextGrid", "rubbish\n", "not a TextGrid"),
        ("a.json", "{}", "no alignment format"),
    ],
)
def test_faults_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(AlignmentError, match=message):
        alignment.read(tmp_path / name)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(AlignmentError, match="no such file"):
        alignment.read(tmp_path / "nothing.ctm")
    (tmp_path / "b.ctm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AlignmentError, match="not UTF-8"):
        alignment.read(tmp_path / "b.ctm")


def test_tiny_overlaps_are_rounding(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text("a 1 0.0 0.1003 b\na 1 0.1 0.2 k\n")
    assert alignment.read(path)[0].end == 0.1


def test_real_labels_of_vctk(corpora):
    labels = sorted((corpora / "VCTK-Corpus" / "lab" / "mono").rglob("*.lab"))
    assert len(labels) == 12
    for path in labels:
        intervals = alignment.read(path)
        assert not alignment.unknown(intervals)
        frames = int(intervals[-1].end * 50)
        assert (alignment.frame_phones(intervals, frames, 50) >= 0).all()


def textgrid_of(path, **tiers):
    alignment.write_textgrid(path, {name: [Interval(*one) for one in some] for name, some in tiers.items()}, 1.0)
    return path


def test_words_and_scores_of_a_textgrid(tmp_path):
    path = textgrid_of(
        tmp_path / "a.TextGrid",
        phones=[(0.0, 0.5, "HH"), (0.5, 1.0, "sil")],
        words=[(0.0, 0.4, "pause"), (0.4, 0.5, "<unk>"), (0.5, 1.0, "<eps>")],
        scores=[(0.0, 0.4, "-1.5")],
    )
    assert alignment.read_words(path) == [(0.0, 0.4, "pause"), (0.4, 0.5, "<unk>")]
    assert alignment.read_scores(path) == [(0.0, 0.4, "-1.5")]
    lone = textgrid_of(tmp_path / "b.TextGrid", anything=[(0.0, 1.0, "AA1")])
    assert alignment.read(lone)[0].label == "AA1"
    assert alignment.read_words(lone) == alignment.read_scores(lone) == []
    wrong = textgrid_of(tmp_path / "c.TextGrid", phones=[(0.0, 1.0, "sil")], scores=[(0.0, 1.0, "good")])
    with pytest.raises(AlignmentError, match="tier 'scores'.*good.*align it again"):
        alignment.read_scores(wrong)


def test_nothing_but_a_pause_lies_behind_the_end():
    assert alignment.within(HELLO, 0.25) == [*HELLO[:3], (0.2, 0.25, "L")]
    assert alignment.within([*HELLO, Interval(0.3, 2.0, "sp")], 0.31)[-1] == (0.3, 0.31, "sp")
    assert alignment.within([*HELLO, Interval(0.3, 2.0, "")], 0.3) == HELLO
    with pytest.raises(AlignmentError, match="'L' from 0.200 to 0.300 s lies behind the end .* at 0.150 s"):
        alignment.within(HELLO, 0.15)


def test_utterances_of_a_ctm(tmp_path):
    (tmp_path / "a.ctm").write_text("b 1 0 1 AA\na 1 0 1 AA\nb 1 1 1 AA\n")
    assert alignment.ctm_utterances(tmp_path / "a.ctm") == ["b", "a"]
