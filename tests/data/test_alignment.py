"""Alignment files, and phones per frame against a slow oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data import alignment, ctm, phones
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
    found = alignment.label_frames(intervals, frames, rate)
    assert found.dtype == np.int64 and found.tolist() == frame_phones_oracle(intervals, frames, rate)


def test_frame_phones_outside_and_in_gaps():
    gap = [HELLO[0], HELLO[3]]
    names = [PHONES[i] if i >= 0 else None for i in alignment.label_frames(gap, 8, 20)]
    assert names == ["sil", "sil", None, None, "l", "l", None, None]


def test_frame_phones_shares_out_labels_of_several_phones():
    found = alignment.label_frames([Interval(0, 0.4, "A@")], 4, 10, "espeak")
    assert [PHONES[i] for i in found] == ["aa", "aa", "r", "r"]


def test_unknown_labels_are_counted():
    intervals = [Interval(0, 1, "zz"), Interval(1, 2, "AA1"), Interval(2, 3, "zz")]
    assert alignment.count_unknown_labels(intervals) == {"zz": 2}


@settings(deadline=None)  # it waits for the disk
@given(alignments())
def test_ctm_round_trip(tmp_path_factory, intervals):
    path = tmp_path_factory.mktemp("ctm") / "a.ctm"
    alignment.write_ctm(path, "utt", intervals)
    if not intervals:
        with pytest.raises(AlignmentError, match="no intervals"):
            alignment.read_alignment(path)
        return
    again = alignment.read_alignment(path, "utt")
    assert [i.label for i in again] == [i.label for i in intervals]
    assert np.allclose([i[:2] for i in again], [i[:2] for i in intervals], atol=2e-5)


def test_textgrid_round_trip(tmp_path):
    path = tmp_path / "a.TextGrid"
    intervals = [Interval(0.1, 0.15, 'H"H'), Interval(0.25, 0.3, "ɹ")]
    alignment.write_textgrid(path, {"phones": intervals}, seconds=0.5)
    again = alignment.read_alignment(path)
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
    assert alignment.read_alignment(tmp_path / "a.TextGrid")[0] == (0.0, 0.5, "HH")
    grid.pop()
    grid.append(textgrid.IntervalTier("notes", 0, 1))
    grid.write(str(tmp_path / "b.TextGrid"))
    with pytest.raises(AlignmentError, match="named 'phones'.*'speaker - words', 'notes'"):
        alignment.read_alignment(tmp_path / "b.TextGrid")


def test_lab_phn_and_full_context_labels(tmp_path):
    (tmp_path / "a.lab").write_text("         0     850000 pau\n    850000    2850000 x^pau-p+l=iy@1_2/A:0\n")
    assert alignment.read_alignment(tmp_path / "a.lab") == [
        (0.0, pytest.approx(0.085), "pau"),
        (0.085, pytest.approx(0.285), "p"),
    ]
    (tmp_path / "a.phn").write_text("0 3050 h#\n3050 4559 sh\n\n4559 4559 ix\n")
    assert alignment.read_alignment(tmp_path / "a.phn") == [(0, 3050 / 16000, "h#"), (3050 / 16000, 4559 / 16000, "sh")]


def test_frames_of_an_affricate_are_its_own_from_the_closure_on():
    spoken = [Interval(0, 0.2, "tcl"), Interval(0.2, 0.4, "ch"), Interval(0.4, 0.6, "ih")]
    assert [PHONES[i] for i in alignment.label_frames(spoken, 6, 10)] == ["ch"] * 4 + ["ih"] * 2


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        ("SIL HH_B AH0_I T_E S_S SPN_S <eps>", "SIL HH AH0 T S SPN <eps>"),
        ("sil S T_B", "sil S T_B"),  # S is a phone: T_B may mean anything
        ("t_S d_Z", "t_S d_Z"),  # not Kaldi's: d_Z ends in no mark of a position ...
        ("sil word_B", "sil word_B"),  # ... and this is no phone without it
        ("ə_I ʃ_E", "ə ʃ"),
    ],
)
def test_kaldis_marks_of_the_position_are_taken_off(tmp_path, labels, read):
    spans = [Interval(i / 10, (i + 1) / 10, label) for i, label in enumerate(labels.split())]
    alignment.write_ctm(tmp_path / "a.ctm", "a", spans)
    alignment.write_textgrid(tmp_path / "a.TextGrid", {"phones": spans})
    for name in ("a.ctm", "a.TextGrid"):
        assert [i.label for i in alignment.read_alignment(tmp_path / name, "a")] == read.split()


def test_a_short_utterance_of_a_ctm_is_read_as_the_others(tmp_path):
    """Its own labels do not show that they have marks."""
    (tmp_path / "a.ctm").write_text("a 1 0 1 AA0_S\nb 1 0 1 sil\nb 1 1 1 S\n")
    assert alignment.read_alignment(tmp_path / "a.ctm", "a")[0].label == "AA0_S"
    (tmp_path / "b.ctm").write_text("a 1 0 1 AA0_S\nb 1 0 1 sil\nb 1 1 1 S_S\n")
    assert alignment.read_alignment(tmp_path / "b.ctm", "a")[0].label == "AA0"


def test_ctm_of_many_utterances(tmp_path):
    path = tmp_path / "ali.ctm"
    path.write_text("a 1 0.00 0.10 sil 0.9\na 1 0.10 0.05 AH0\nb 1 0.00 0.30 sil\n")
    assert [i.label for i in alignment.read_alignment(path, "a")] == ["sil", "AH0"]
    assert len(alignment.read_alignment(path, "b")) == 1
    with pytest.raises(AlignmentError, match="2 utterances; say which"):
        alignment.read_alignment(path)
    with pytest.raises(AlignmentError, match="no line of utterance c"):
        alignment.read_alignment(path, "c")


def test_what_a_ctm_may_have(tmp_path):
    """Comments, confidence, type and speaker, DOS line ends, a byte order mark, names of columns, lines out of turn."""
    path = tmp_path / "a.ctm"
    path.write_bytes(
        b"\xef\xbb\xbfutterance channel start duration phone\r\n;; made by hand\r\n"
        b"a 1 0 0.5 AA 0.9 lex anna\r\n# a note\r\nb A 0.25 0.5 IH\r\n;; more\r\n\r\na 1 0.5 0.5 T\r\n"
    )
    assert alignment.read_alignment(path, "a") == [(0, 0.5, "AA"), (0.5, 1, "T")]
    assert alignment.read_alignment(path, "b") == [(0.25, 0.75, "IH")]


@pytest.mark.parametrize(
    ("line", "message", "spoiled"),
    [
        ("b 1 x 0.5 IH", r"a.ctm:3: 'x' is not a time", ["b"]),
        ("b 1 0 0.5", r"a.ctm:3: want 'utterance", ["b"]),
        ("c 1 0 -0.5 IH", r"a.ctm:3: time -0.5 is out of range", ["c"]),
        ("0.5 0.5 IH", r"a.ctm:3: want 'utterance", ["a"]),  # its id is lost: it may be of the line before
    ],
)
def test_a_bad_line_costs_its_utterance_alone(tmp_path, line, message, spoiled):
    path = tmp_path / "a.ctm"
    path.write_text(f"a 1 0 0.5 AA\na 1 0.5 0.5 T\n{line}\nb 1 0.5 0.5 T\nd 1 0 1 T\n")
    for name in ("a", "b", "d", *spoiled):
        if name in spoiled:
            with pytest.raises(AlignmentError, match=message):
                alignment.read_alignment(path, name)
        else:
            assert alignment.read_alignment(path, name)


def test_many_ctm_files_are_gone_through_once_each(tmp_path, monkeypatch):
    """In round robin, as the utterances of a corpus are spread over Kaldi's jobs."""
    checked = []
    monkeypatch.setattr(ctm, "_check", lambda path, *_: checked.append(path))
    paths = [tmp_path / f"{i}.ctm" for i in range(40)]
    for path in paths:
        path.write_text("".join(f"{path.stem}-{n} 1 0 1 AA\n" for n in range(3)))
    for n in range(3):
        for path in paths:
            assert alignment.read_alignment(path, f"{path.stem}-{n}") == [(0, 1, "AA")]
    assert len(checked) == 120
    paths[0].write_text("0-0 1 0 2 IH\n")
    assert alignment.read_alignment(paths[0], "0-0") == [(0, 2, "IH")]


@pytest.mark.parametrize(
    ("content", "spans"),
    [
        ("0 0.25 pau\n0.25 1.5 p\n", [(0, 0.25, "pau"), (0.25, 1.5, "p")]),  # HTK's columns, in seconds
        ("0.0 1.0 pau\n1.0 2.0 p\n", [(0, 1, "pau"), (1, 2, "p")]),
        ("0.0 2500000.0 pau\n2500000.0 5000000.0 p 12.5 word\n", [(0, 0.25, "pau"), (0.25, 0.5, "p")]),
        ("0 2500000 sil-p+iy\n///\n0 2500000 x\n", [(0, 0.25, "p")]),
        ("signal a1\nnfields 1\n#\n    0.13500 125 pau\n 0.225 125 t\n", [(0, 0.135, "pau"), (0.135, 0.225, "t")]),
    ],
)
def test_lab_in_its_kinds(tmp_path, content, spans):
    (tmp_path / "a.lab").write_text(content)
    read = alignment.read_alignment(tmp_path / "a.lab")
    assert [one.label for one in read] == [span[2] for span in spans]
    assert [one[:2] for one in read] == [pytest.approx(span[:2]) for span in spans]


def test_phn_in_seconds_and_buckeye(tmp_path):
    (tmp_path / "A.PHN").write_text("0.0 0.5 h#\r\n0.5 0.75 tcl\r\n")
    assert alignment.read_alignment(tmp_path / "A.PHN") == [(0, 0.5, "h#"), (0.5, 0.75, "tcl")]
    (tmp_path / "s.phones").write_text(
        "header\n#\n 0.5 122 {B_TRANS}\n 0.75  122 ehn; *\n 0.8 122 tq\n 1 122 <EXCLUDE-name>\n"
    )
    read = alignment.read_alignment(tmp_path / "s.phones")
    assert read == [(0, 0.5, "{B_TRANS}"), (0.5, 0.75, "ehn"), (0.75, 0.8, "tq"), (0.8, 1, "<EXCLUDE-name>")]
    assert [phones.fold(one.label) for one in read] == ["sil", "eh", "t", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.lab", "0 12 sil\n12 230 ah\n", r"ends after 230, 2.3e-05 s by its ending; write seconds"),
        ("a.phn", "0 12 sil\n12 150 ah\n", r"ends after 150, 0.009"),
        ("a.lab", '#!MLF!#\n"*/a.lab"\n0 100 a\n.\n', "master label file"),
        ("a.lab", "#\n0.5 125 a\n0.25 125 b\n", r"'b' starts at 0.5000 s and ends at 0.2500"),
        ("a.lab", "he hoped there\n", "'he' is not a time"),
        ("a.ctm", "a 1 0.0 0.1\n", r"a.ctm:1: want 'utterance channel"),
        ("a.ctm", "a 1 zero 0.1 b\n", r"a.ctm:1: 'zero' is not a time"),
        ("a.ctm", "a 1 -1 0.1 b\n", "out of range"),
        ("a.ctm", "a 1 1_0 0.1 b\n", "'1_0' is not a time"),
        ("a.ctm", "\u2028\n", "no intervals"),
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
        alignment.read_alignment(tmp_path / name)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(AlignmentError, match="no such file"):
        alignment.read_alignment(tmp_path / "nothing.ctm")
    (tmp_path / "b.ctm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AlignmentError, match="not UTF-8"):
        alignment.read_alignment(tmp_path / "b.ctm")


def test_tiny_overlaps_are_rounding(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text("a 1 0.0 0.1003 b\na 1 0.1 0.2 k\n")
    assert alignment.read_alignment(path)[0].end == 0.1


def test_real_labels_of_vctk(corpora):
    labels = sorted((corpora / "VCTK-Corpus" / "lab" / "mono").rglob("*.lab"))
    assert len(labels) == 12
    for path in labels:
        intervals = alignment.read_alignment(path)
        assert not alignment.count_unknown_labels(intervals)
        frames = int(intervals[-1].end * 50)
        assert (alignment.label_frames(intervals, frames, 50) >= 0).all()


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
    assert alignment.read_alignment(lone)[0].label == "AA1"
    assert alignment.read_words(lone) == alignment.read_scores(lone) == []
    wrong = textgrid_of(tmp_path / "c.TextGrid", phones=[(0.0, 1.0, "sil")], scores=[(0.0, 1.0, "good")])
    with pytest.raises(AlignmentError, match="tier 'scores'.*good.*align it again"):
        alignment.read_scores(wrong)


def test_nothing_but_a_pause_lies_behind_the_end():
    assert alignment.clip_intervals(HELLO, 0.25) == [*HELLO[:3], (0.2, 0.25, "L")]
    assert alignment.clip_intervals([*HELLO, Interval(0.3, 2.0, "sp")], 0.31)[-1] == (0.3, 0.31, "sp")
    assert alignment.clip_intervals([*HELLO, Interval(0.3, 2.0, "")], 0.3) == HELLO
    with pytest.raises(AlignmentError, match="'L' from 0.200 to 0.300 s is after the end .* at 0.150 s"):
        alignment.clip_intervals(HELLO, 0.15)
