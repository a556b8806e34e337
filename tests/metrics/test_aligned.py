"""Which utterances can be compared with their alignment, and which are skipped with a reason."""

import numpy as np
import pytest

from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import INDEX
from vqspeech.data.units import Units
from vqspeech.errors import UnitsError
from vqspeech.metrics.aligned import collection, segments

PHONES = [Interval(0, 0.5, "sil"), Interval(0.5, 1.2, "AA1"), Interval(1.2, 2.0, "k")]


def made(folder, alignments, seconds: float | None = 2.0, rate=10.0, frames=20):
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
    found = collection(*made(tmp_path, {"a-1": PHONES}))
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
        ([Interval(0, 0.5, "##"), Interval(0.5, 2, "@@")], "none of its labels"),
        ([*PHONES, Interval(2.0, 9.0, "s")], "behind the end"),
    ],
)
def test_bad_alignments_are_skipped_with_a_reason(tmp_path, bad, reason):
    found = collection(*made(tmp_path, {"a-1": PHONES, "a-2": bad}))
    assert [one.name for one in found.utterances] == ["a-1"]
    assert list(found.skipped.reasons) == ["a-2"] and reason in found.skipped.reasons["a-2"]


def test_unknown_labels_are_counted(tmp_path):
    found = collection(*made(tmp_path, {"a-1": [*PHONES[:2], Interval(1.2, 2.0, "@@")]}))
    assert found.unknown == {"@@": 1} and found.utterances[0].phones[-1] == -1
    assert len(found.utterances[0].segments.phones) == 2


def test_another_frame_rate_is_an_error_that_says_so(tmp_path):
    units, data = made(tmp_path, {"a-1": PHONES, "a-2": PHONES}, rate=25.0)
    with pytest.raises(UnitsError, match=r"a-1: its codes last 0.80 s at 25 Hz, its recording 2.00 s"):
        collection(units, data)
    units, data = made(tmp_path, {"a-1": PHONES}, rate=5.0)
    with pytest.raises(UnitsError, match="rate_hz"):
        collection(units, data)


def test_without_known_lengths_the_alignment_tells_it(tmp_path):
    found = collection(*made(tmp_path, {"a-1": PHONES}, seconds=None, rate=25.0))
    assert "behind the end" in found.skipped.reasons["a-1"]


def test_one_recording_of_another_length_is_skipped(tmp_path):
    units, data = made(tmp_path, {"a-1": PHONES, "a-2": PHONES})
    units.codes["a-2"] = np.zeros(11, np.int64)
    found = collection(units, data)
    assert [one.name for one in found.utterances] == ["a-1"] and "encode this data" in found.skipped.reasons["a-2"]


def test_labels_for_two_phones_are_shared_out():
    found = segments([Interval(0.0, 1.0, "ɛɹ")])
    assert found.phones.tolist() == [INDEX["eh"], INDEX["r"]] and found.starts.tolist() == [0, 0.5]


def test_nothing():
    assert not len(segments([]).phones)
