"""VCTK in both of its layouts, with its known gaps."""

from pathlib import Path

import pytest

from tests import trees
from vqspeech.data.corpora.vctk import prepare
from vqspeech.data.validate import find_faults
from vqspeech.errors import SOME_SKIPPED, CorpusError


def test_080(tmp_path: Path):
    data, account = prepare(trees.vctk_080(tmp_path / "VCTK-Corpus"))
    assert list(data.utterances) == ["p225_001", "p225_002", "p226_001", "p226_002", "p315_001", "p315_002"]
    first = data["p225_001"]
    assert (first.speaker, first.gender, first.text, first.seconds) == ("p225", "f", "Please call Stella.", 0.5)
    assert first.path == str(tmp_path / "VCTK-Corpus/wav48/p225/p225_001.wav")
    assert first.alignment == str(tmp_path / "VCTK-Corpus/lab/mono/p225/p225_001.lab")
    assert data["p225_002"].alignment is None and data["p226_001"].gender == "m"
    assert data["p315_001"].text is None and data["p315_001"].gender is None
    assert account.summary().splitlines() == [
        "VCTK 0.80: found 6 recordings",
        "kept 6 utterances of 3 speakers, 0.1 min",
        "note 2: utterances without text, kept without transcript (p315_001, p315_002)",
        "note 1: speakers without known gender (p315)",
    ]
    assert account.exit_status() == 0 and not account.dropped


def test_what_is_prepared_is_valid(tmp_path: Path):
    data, _ = prepare(trees.vctk_080(tmp_path / "VCTK-Corpus"), nj=2)
    data.write(tmp_path / "data")
    assert find_faults(tmp_path / "data") == []


def test_092_first_microphone(tmp_path: Path):
    data, account = prepare(trees.vctk_092(tmp_path))
    assert list(data.utterances) == ["p225_001", "p225_002", "p280_001", "p315_001", "p362_002", "s5_001"]
    assert all(one.path.endswith(f"{one.id}_mic1.flac") and one.seconds == 0.5 for one in data)
    assert {speaker: some[0].gender for speaker, some in data.by_speaker.items()} == {
        "p225": "f",
        "p280": "f",
        "p315": "m",
        "p362": "f",
        "s5": "f",
    }
    assert account.recordings == 10 and account.dropped == {"text without a recording": ["p362_001"]}
    assert account.notes == {"utterances without text, kept without transcript": ["p315_001"]}


def test_092_second_microphone(tmp_path: Path):
    data, account = prepare(trees.vctk_092(tmp_path), mic="mic2")
    assert list(data.utterances) == ["p225_001", "p225_002", "p315_001", "s5_001"]
    assert all(one.seconds == 0.25 for one in data)
    assert account.dropped["no mic2 of it"] == ["p280/p280_001_mic1.flac", "p362/p362_002_mic1.flac"]
    assert "dropped 2: no mic2 of it (p280/p280_001_mic1.flac, p362/p362_002_mic1.flac)" in account.summary()


def test_microphones_are_of_092(tmp_path: Path):
    with pytest.raises(CorpusError, match="leave --mic out"):
        prepare(trees.vctk_080(tmp_path), mic="mic2")
    with pytest.raises(CorpusError, match="choose mic1 or mic2"):
        prepare(tmp_path, mic="mic3")


def test_strange_files_are_dropped_and_counted(tmp_path: Path):
    root = trees.vctk_080(tmp_path)
    trees.text(root / "wav48/p226/p226_295.raw", "not audio")
    trees.tone(root / "wav48/p226/p225_009.wav")
    trees.tone(root / "wav48/p226/p226_002.flac")
    trees.text(root / "wav48/p226/._p226_001.wav", "left by macOS")
    _, account = prepare(root)
    assert account.recordings == 8 and len(account.data) == 6
    assert account.dropped == {
        "not named after its speaker (p226_...)": ["p226/p225_009.wav"],
        "a copy of a recording that is there": ["p226/p226_002.wav"],
        "not a sound file by its ending": ["p226/p226_295.raw"],
    }


def test_broken_recordings_are_named_and_dropped(tmp_path: Path, messages):
    root = trees.vctk_080(tmp_path)
    bad = root / "wav48/p225/p225_001.wav"
    bad.write_bytes(b"")
    data, account = prepare(root)
    assert "p225_001" not in data and len(data) == 5
    assert account.exit_status() == SOME_SKIPPED and f"dropped 1: cannot be read ({bad})" in account.summary()
    assert f"skipped {bad}" in messages()


def test_nothing_but_broken_recordings(tmp_path: Path):
    root = trees.vctk_080(tmp_path)
    for path in root.glob("wav48/*/*.wav"):
        path.write_bytes(b"git-lfs pointer")
    with pytest.raises(CorpusError, match="none of 6 recordings of VCTK 0.80 can be used .*not a sound file"):
        prepare(root)


def test_texts_may_be_empty_or_in_latin_1(tmp_path: Path):
    root = trees.vctk_080(tmp_path)
    (root / "txt/p225/p225_001.txt").write_bytes(b"Caf\xe9  noir\r\n")
    (root / "txt/p225/p225_002.txt").write_bytes(b"\xef\xbb\xbf \n")
    data, account = prepare(root)
    assert data["p225_001"].text == "Café noir" and data["p225_002"].text is None
    assert account.notes["text not in UTF-8 (read as Latin-1)"] == ["p225_001"]
    assert account.notes["the text file is empty"] == ["p225_002"]


def test_labels_of_another_version_are_left_out(tmp_path: Path):
    root = trees.vctk_080(tmp_path)
    trees.text(root / "lab/mono/p226/p226_001.lab", "0 9000000 pau\n")
    data, account = prepare(root)
    assert data["p226_001"].alignment is None and data["p225_001"].alignment
    assert account.data == data and [len(names) for what, names in account.notes.items() if "labels" in what] == [1]


def test_the_wrong_folder_is_named_with_the_right_one(tmp_path: Path):
    root = trees.vctk_080(tmp_path / "downloads/VCTK-Corpus")
    libri = trees.librispeech(tmp_path / "LibriSpeech")
    trees.text(tmp_path / "fresh/VCTK-Corpus-0.92.zip")
    trees.tone(tmp_path / "own/me/a.wav")
    (tmp_path / "empty").mkdir()
    for wrong, fix in (
        (tmp_path / "downloads", f"VCTK is in the folder further down: give --corpus {root}"),
        (root / "wav48", f"VCTK is in the folder above: give --corpus {root}"),
        (root / "wav48/p225", f"VCTK is in the folder above: give --corpus {root}"),
        (root / "txt", f"VCTK is in the folder above: give --corpus {root}"),
        (libri, f"this is LibriSpeech: vqspeech prepare librispeech --corpus {libri}"),
        (tmp_path / "fresh", "unpack VCTK-Corpus-0.92.zip first"),
        (tmp_path / "fresh/VCTK-Corpus-0.92.zip", "unpack it and give the folder"),
        (tmp_path / "own", f"vqspeech prepare folder --corpus {tmp_path / 'own'}"),
        (tmp_path / "empty", "no sound file below it"),
        (tmp_path / "nowhere", "no such folder"),
    ):
        with pytest.raises(CorpusError) as error:
            prepare(wrong)
        assert fix in str(error.value)
        assert wrong.is_file() or not wrong.exists() or "wav48/*/*.wav (0.80); there is " in str(error.value)


def test_no_recordings_in_the_right_layout(tmp_path: Path):
    (tmp_path / "wav48/p225").mkdir(parents=True)
    with pytest.raises(CorpusError, match="no VCTK here: looked for .*; there is wav48/; there is no sound file"):
        prepare(tmp_path)


def test_the_real_one(corpora: Path):
    data, account = prepare(corpora / "VCTK-Corpus")
    assert len(data) == account.recordings == 49 and data.speakers == ["p225", "p226", "p227", "p228"]
    assert sum(one.text is not None for one in data) == sum(one.alignment is not None for one in data) == 12
    assert [some[0].gender for some in data.by_speaker.values()][:3] == ["f", "m", "m"]


def test_texts_and_labels_in_the_folder_of_another_speaker_are_not_taken(tmp_path: Path):
    root = trees.vctk_080(tmp_path)
    (root / "txt/p225/p225_001.txt").rename(root / "txt/p226/p225_001.txt")
    (root / "lab/mono/p226").mkdir()
    (root / "lab/mono/p225/p225_001.lab").rename(root / "lab/mono/p226/p225_001.lab")
    data, account = prepare(root)
    assert data["p225_001"].text is None and data["p225_001"].alignment is None
    misplaced = account.dropped["not named after its speaker (p226_...)"]
    assert misplaced == ["txt/p226/p225_001.txt", "mono/p226/p225_001.lab"]
