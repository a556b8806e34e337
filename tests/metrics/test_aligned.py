"""Which utterances can be compared with their alignment, and which are skipped with a reason."""

from dataclasses import replace

import numpy as np
import pytest

from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import INDEX
from vqspeech.data.phones import PHONES as PHONE_NAMES
from vqspeech.data.units import Units
from vqspeech.errors import AlignmentError, UnitsError
from vqspeech.metrics.aligned import collect_utterances, find_segments

PHONES = [Interval(0, 0.5, "sil"), Interval(0.5, 1.2, "AA1"), Interval(1.2, 2.0, "k")]


def make_units(folder, alignments, seconds: float | None = 2.0, rate=10.0, frames=20):
    utterances, codes = [], {}
    for name, intervals in alignments.items():
        path = folder / f"{name}.ctm"
        if isinstance(intervals, str):
            path.write_text(intervals)
        elif intervals is not None:
            write_ctm(path, name, intervals)
        utterances.append(Utterance(name, "a", f"/wav/{name}.wav", alignment=str(path), seconds=seconds))
        codes[name] = np.arange(frames) % 5
    return Units(codes, rate, 5, "model", "0" * 64), DataDir(utterances)


def test_phones_and_times(tmp_path):
    found = collect_utterances(*make_units(tmp_path, {"a-1": PHONES}))
    (one,) = found.utterances
    assert one.phones.tolist() == [INDEX["sil"]] * 5 + [INDEX["aa"]] * 7 + [INDEX["k"]] * 8
    assert one.segments.starts.tolist() == [0, 0.5, 1.2] and one.segments.phones.tolist()[1] == INDEX["aa"]
    assert not found.skipped.reasons and not found.unknown


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "no intervals"),
        ("rubbish\n", "want 'utterance channel"),
        (None, "no such file"),
        ([Interval(0, 0.5, "##"), Interval(0.5, 1.5, "@@")], "none of its labels"),
        ([*PHONES, Interval(2.0, 9.0, "s")], "after the end"),
    ],
)
def test_bad_alignments_are_skipped_with_a_reason(tmp_path, bad, reason):
    found = collect_utterances(*make_units(tmp_path, {"a-1": PHONES, "a-2": bad}))
    assert [one.name for one in found.utterances] == ["a-1"]
    assert list(found.skipped.reasons) == ["a-2"] and reason in found.skipped.reasons["a-2"]


def test_unknown_labels_are_counted(tmp_path):
    found = collect_utterances(*make_units(tmp_path, {"a-1": [*PHONES[:2], Interval(1.2, 1.5, "@@")]}))
    assert found.unknown == {"@@": 1} and found.utterances[0].phones[-1] == -1
    assert len(found.utterances[0].segments.phones) == 2


def test_most_speech_without_a_known_phone_is_refused(tmp_path):
    """Pauses do not count: of these 2 s, 1.8 are labelled and 0.5 have a phone, but nearly no speech has."""
    words = [Interval(0, 0.5, "SIL"), Interval(0.5, 1.8, "hello"), Interval(1.8, 2.0, "a")]
    with pytest.raises(
        AlignmentError, match=r"87% of .* speech \(2.6 of 3.0 s\) .*: 2 intervals, 1 labels \('hello' 2\)"
    ):
        collect_utterances(*make_units(tmp_path, {"a-1": words, "a-2": words}))
    with pytest.raises(AlignmentError, match="int2sym"):
        collect_utterances(*make_units(tmp_path, {"a-1": [Interval(0, 1, "12"), Interval(1, 2, "107")]}))


def test_units_of_other_utterances_are_refused(tmp_path):
    units, data = make_units(tmp_path, {"a-1": PHONES})
    with pytest.raises(UnitsError, match=r"none of 1 utterances of the units \(A-1\) is among the 1 .*\(a-1\)"):
        collect_utterances(replace(units, codes={"A-1": units.codes["a-1"]}), data)


def test_another_frame_rate_is_an_error_that_says_so(tmp_path):
    units, data = make_units(tmp_path, {"a-1": PHONES, "a-2": PHONES}, rate=25.0)
    with pytest.raises(UnitsError, match=r"a-1: its codes last 0.80 s at 25 Hz, its recording 2.00 s"):
        collect_utterances(units, data)
    units, data = make_units(tmp_path, {"a-1": PHONES}, rate=5.0)
    with pytest.raises(UnitsError, match="rate_hz"):
        collect_utterances(units, data)


def test_without_known_lengths_the_alignment_tells_it(tmp_path):
    found = collect_utterances(*make_units(tmp_path, {"a-1": PHONES}, seconds=None, rate=25.0))
    assert "after the end" in found.skipped.reasons["a-1"]


def test_one_recording_of_another_length_is_skipped(tmp_path):
    units, data = make_units(tmp_path, {"a-1": PHONES, "a-2": PHONES})
    units.codes["a-2"] = np.zeros(11, np.int64)
    found = collect_utterances(units, data)
    assert [one.name for one in found.utterances] == ["a-1"] and "encode this data" in found.skipped.reasons["a-2"]


def test_labels_for_two_phones_are_shared_out():
    found = find_segments([Interval(0.0, 1.0, "ɛɹ")])
    assert found.phones.tolist() == [INDEX["eh"], INDEX["r"]] and found.starts.tolist() == [0, 0.5]


def test_a_closure_and_its_burst_are_one_phone():
    """Also of an affricate; a closure without its burst is the stop, and one behind a gap another phone."""
    labels = ["h#", "s", "tcl", "t", "aa", "tcl", "ch", "kcl", "dcl", "jh", "bcl"]
    found = find_segments([Interval(i / 10, (i + 1) / 10, label) for i, label in enumerate(labels)])
    assert [PHONE_NAMES[i] for i in found.phones] == ["sil", "s", "t", "aa", "ch", "k", "jh", "b"]
    assert found.starts.tolist() == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.7, 0.8, 1.0])
    assert found.ends[2] == pytest.approx(0.4) and found.ends[4] == pytest.approx(0.7)
    apart = find_segments([Interval(0, 0.1, "TCL"), Interval(0.2, 0.3, "T")])
    assert apart.starts.tolist() == [0, 0.2]


def test_nothing():
    assert not len(find_segments([]).phones)
