"""LibriSpeech: all of it, some subsets, one subset's folder."""

from pathlib import Path

import pytest

from tests import trees
from vqspeech.data.corpora.librispeech import prepare
from vqspeech.data.validate import find_faults
from vqspeech.errors import SOME_SKIPPED, CorpusError


def test_all_subsets(tmp_path: Path):
    data, account = prepare(trees.librispeech(tmp_path / "LibriSpeech"))
    assert len(data) == 6 and data.speakers == ["1089", "121"]
    one = data["1089-134686-0001"]
    assert (one.speaker, one.gender, one.text, one.seconds) == ("1089", "m", "HE HOPED", 0.5)
    assert data["121-121726-0000"].gender == "f"
    assert account.summary() == (
        "LibriSpeech dev-clean test-clean: found 6 recordings\nkept 6 utterances of 2 speakers, 0.1 min"
    )
    data.write(tmp_path / "data")
    assert find_faults(tmp_path / "data") == []


def test_one_subset_by_name_or_folder(tmp_path: Path):
    root = trees.librispeech(tmp_path)
    by_name, _ = prepare(root, ["dev-clean"])
    by_folder, _ = prepare(root / "dev-clean", nj=2)
    assert by_name == by_folder and by_name.speakers == ["121"] and by_name["121-121726-0001"].gender == "f"


def test_subsets_that_are_not_there(tmp_path: Path):
    root = trees.librispeech(tmp_path)
    with pytest.raises(CorpusError, match="no subset train-clean-100; there are dev-clean, test-clean"):
        prepare(root, ["train-clean-100"])
    with pytest.raises(CorpusError, match="is one subset, dev-clean"):
        prepare(root / "dev-clean", ["test-clean"])


def test_gaps_are_counted(tmp_path: Path):
    root = trees.librispeech(tmp_path)
    folder = root / "test-clean/1089/134686"
    (folder / "1089-134686-0000.flac").unlink()
    (folder / "1089-134686-0001.flac").write_bytes(b"")
    trees.tone(folder / "1089-134686-0002.flac")
    trees.tone(folder / "intro.flac")
    trees.text(folder / "notes.md")
    (root / "SPEAKERS.TXT").unlink()
    data, account = prepare(root)
    assert account.dropped == {
        "not named SPEAKER-CHAPTER-NUMBER after its folders": ["intro.flac"],
        "not a sound file by its ending": ["notes.md"],
        "transcript without a recording": ["1089-134686-0000"],
    }
    assert list(account.unreadable.reasons) == [str(folder / "1089-134686-0001.flac")]
    assert account.exit_status() == SOME_SKIPPED
    assert data["1089-134686-0002"].text is None and len(data) == 5
    assert account.notes["speakers without known gender"] == ["1089", "121"]


def test_an_utterance_in_two_subsets(tmp_path: Path):
    root = trees.librispeech(tmp_path)
    trees.tone(root / "train-clean-100/121/121726/121-121726-0000.flac")
    data, account = prepare(root)
    assert len(data) == 6
    assert [len(names) for names in account.dropped.values()] == [1]


def test_the_wrong_folder_is_named_with_the_right_one(tmp_path: Path):
    root = trees.librispeech(tmp_path / "libri/LibriSpeech")
    vctk = trees.vctk_092(tmp_path / "vctk")
    for wrong, fix in (
        (tmp_path / "libri", f"LibriSpeech is in the folder further down: give --corpus {root}"),
        (root / "test-clean/1089", f"LibriSpeech is in the folder above: give --corpus {root / 'test-clean'}"),
        (vctk, f"this is VCTK: vqspeech prepare vctk --corpus {vctk}"),
        (vctk / "txt", f"VCTK is in the folder above: vqspeech prepare vctk --corpus {vctk}"),
    ):
        with pytest.raises(CorpusError) as error:
            prepare(wrong)
        assert fix in str(error.value)


def test_the_real_one(corpora: Path):
    data, account = prepare(corpora / "LibriSpeech")
    assert len(data) == account.recordings == 1037 and len(data.speakers) == 14
    assert all(one.text and one.seconds for one in data)
    assert sorted(some[0].gender or "" for some in data.by_speaker.values()) == ["f"] * 7 + ["m"] * 7


def test_copies_and_a_byte_order_mark(tmp_path: Path):
    root = trees.librispeech(tmp_path)
    folder = root / "dev-clean/121/121726"
    for ending in (".flac.wav", ".mp3"):
        trees.tone(folder / f"121-121726-0000{ending}", 1.0)
    text = folder / "121-121726.trans.txt"
    text.write_text(text.read_text(), encoding="utf-8-sig")
    data, account = prepare(root)
    assert len(data) == 6 and all(one.text == "HE HOPED" and Path(one.path).suffix == ".flac" for one in data)
    copies = ["121-121726-0000.flac.wav", "121-121726-0000.mp3"]
    assert account.recordings == 8 and account.dropped == {"a copy of a recording that is there": copies}
