"""TIMIT in its copies."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import trees
from vqspeech.data.corpora.timit import prepare
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units
from vqspeech.data.validate import find_faults
from vqspeech.errors import CorpusError
from vqspeech.metrics.aligned import collect_utterances
from vqspeech.metrics.measures.boundary import find_boundaries

IDS = ["FCJF0_SA1", "FCJF0_SX37", "FDAW0_SA1", "MARC0_SI1188"]


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("above", [".", "data", "timit/timit"])
def test_every_copy_is_the_same(tmp_path: Path, lower: bool, copies: bool, above: str):
    trees.timit(tmp_path / above, lower, copies)
    data, account = prepare(tmp_path)
    assert list(data.utterances) == IDS
    assert {(one.speaker, one.gender) for one in data} == {("FCJF0", "f"), ("MARC0", "m"), ("FDAW0", "f")}
    assert {one.text for one in data} == {"She had your dark suit."}
    assert {Path(one.alignment or "").suffix.upper() for one in data} == {".PHN"}
    assert {Path(one.path).name.upper() for one in data} == {"SA1.WAV", "SX37.WAV", "SI1188.WAV"}
    assert account.recordings == (8 if copies else 4) and not account.notes
    assert [len(names) for names in account.dropped.values()] == ([4] if copies else [])
    data.write(tmp_path / "data_dir")
    assert not find_faults(tmp_path / "data_dir") and DataDir.read(tmp_path / "data_dir") == data


def test_the_copy_is_taken_where_the_recording_cannot_be_read(tmp_path: Path):
    """As where it is compressed by shorten, which libsndfile does not know."""
    root = trees.timit(tmp_path, copies=True)
    (root / "TRAIN/DR1/FCJF0/SA1.WAV").write_bytes(b"NIST_1A\n   1024\nrubbish")
    data, account = prepare(root)
    assert Path(data["FCJF0_SA1"].path).name == "SA1.WAV.wav" and not account.unreadable.reasons
    assert "FCJF0/SA1.WAV" in account.dropped["a copy of a recording that is there"]


def test_the_parts_are_kept(tmp_path: Path):
    root = trees.timit(tmp_path)
    assert list(prepare(root, ["train"])[0].utterances) == ["FCJF0_SA1", "FCJF0_SX37", "MARC0_SI1188"]
    assert list(prepare(root, ["test"])[0].utterances) == list(prepare(root / "TEST")[0].utterances) == ["FDAW0_SA1"]
    assert list(prepare(root / "TRAIN" / "DR2")[0].utterances) == ["MARC0_SI1188"]
    assert list(prepare(root, sa=False)[0].utterances) == ["FCJF0_SX37", "MARC0_SI1188"]
    with pytest.raises(CorpusError, match="no part test; there are train"):
        prepare(root / "TRAIN", ["test"])


def test_nothing_is_in_both_parts(tmp_path: Path):
    root = trees.timit(tmp_path)
    (root / "TRAIN/DR1/FCJF0").rename(root / "moved")
    for part in ("TRAIN", "test"):  # in another case, too
        trees.timit(root / "again")
        (root / part / "dr1").mkdir(parents=True, exist_ok=True)
        (root / "again/TRAIN/DR1/FCJF0").rename(root / part / "dr1/fcjf0")
    assert list(prepare(root, ["train"])[0].utterances) == ["FCJF0_SA1", "FCJF0_SX37", "MARC0_SI1188"]
    data, account = prepare(root, ["test"])
    assert list(data.utterances) == ["FDAW0_SA1"]
    assert len(account.dropped["the utterance is in train already"]) == 2


def test_what_is_not_timits(tmp_path: Path):
    root = trees.timit(tmp_path)
    trees.tone(root / "TRAIN/DR1/FCJF0/hello.wav")
    trees.tone(root / "TRAIN/DR1/notes/SA1.wav")
    (root / "TRAIN/DR1/FCJF0/SX37.PHN").unlink()
    (root / "TRAIN/DR2/MARC0/SI1188.PHN").write_text("0 80000 aa\n")
    (root / "TEST/DR1/FDAW0/SA1.PHN").write_text("rubbish\n")
    data, account = prepare(root)
    assert list(data.utterances) == IDS
    assert account.dropped == {
        "no sentence of TIMIT by its name": ["FCJF0/hello.wav"],
        "not in the folder of a speaker of TIMIT": ["notes/SA1.wav"],
    }
    assert [one.id for one in data if one.alignment] == ["FCJF0_SA1"] and len(account.notes) == 3
    with pytest.raises(CorpusError, match="no TIMIT here: looked for TRAIN/DR1"):
        prepare(trees.tone(tmp_path / "other/a/x.wav").parents[1])


def test_no_boundary_lies_within_a_stop(tmp_path: Path):
    """Of `h# s tcl t aa h#` there are four boundaries; two are of speech beside speech."""
    data = prepare(trees.timit(tmp_path), ["test"])[0]
    units = Units({"FDAW0_SA1": np.zeros(50, np.int64)}, 100.0, 4, "m", "0" * 64)
    (one,) = collect_utterances(units, data).utterances
    assert find_boundaries(one).phones.tolist() == pytest.approx([0.125, 0.1875, 0.25, 0.375])


def test_a_corpus_of_other_rates_is_read_as_it_is(tmp_path: Path):
    root = trees.timit(tmp_path)
    soundfile.write(root / "TEST/DR1/FDAW0/SA1.WAV", np.zeros(4000), 8000, format="NIST", subtype="PCM_16")
    assert prepare(root)[0]["FDAW0_SA1"].seconds == 0.5
