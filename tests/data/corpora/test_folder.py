"""A bare folder per speaker."""

from pathlib import Path

import pytest

from tests import trees
from vqspeech.data.corpora.folder import prepare
from vqspeech.data.datadir import DataDir
from vqspeech.data.validate import faults
from vqspeech.errors import SOME_SKIPPED, CorpusError


def test_folders_of_speakers(tmp_path: Path):
    root = tmp_path / "my voices"
    trees.tone(root / "anna/a.wav")
    trees.text(root / "anna/a.txt", "guten  Morgen\n")
    trees.tone(root / "anna/day 2/b.FLAC")
    trees.tone(root / "anna b/c.ogg")
    trees.tone(root / "Jürgen/d.mp3", 2.0)
    trees.text(root / "anna/._a.wav")
    trees.text(root / ".git/x.wav")
    data, account = prepare(root)
    assert {one.id: (one.speaker, one.text) for one in data} == {
        "Jürgen-d": ("Jürgen", None),
        "anna-a": ("anna", "guten Morgen"),
        "anna-day_2-b": ("anna", None),
        "anna_b-c": ("anna_b", None),
    }
    assert account.found == 4 and not account.dropped
    data.write(tmp_path / "data")
    assert faults(tmp_path / "data") == [] and DataDir.read(tmp_path / "data") == data


def test_what_is_dropped(tmp_path: Path):
    trees.tone(tmp_path / "loose.wav")
    trees.tone(tmp_path / "a/x-y.wav")
    trees.tone(tmp_path / "a/x/y.wav")
    trees.tone(tmp_path / "a/line\nend.wav")
    trees.text(tmp_path / "a/bad.wav")
    data, account = prepare(tmp_path)
    assert list(data.utterances) == ["a-x-y"]
    assert account.found == 5 and account.status() == SOME_SKIPPED
    assert account.dropped == {
        "a path with line ends or odd bytes; rename it": ["'line\\nend.wav'"],
        "another file has the same utterance id": ["a/x/y.wav"],
        "in no speaker's folder": ["loose.wav"],
    }


def test_links_are_followed_once(tmp_path: Path):
    trees.tone(tmp_path / "disk/a.wav")
    (tmp_path / "corpus/me").mkdir(parents=True)
    (tmp_path / "corpus/me/more").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/loop").symlink_to(tmp_path / "corpus/me")
    data, _ = prepare(tmp_path / "corpus")
    assert list(data.utterances) == ["me-more-a"]


def test_two_folders_of_one_speaker(tmp_path: Path):
    trees.tone(tmp_path / "a b/x.wav")
    trees.tone(tmp_path / "a_b/y.wav")
    with pytest.raises(CorpusError, match="'a b' and 'a_b' are both speaker 'a_b'; rename one"):
        prepare(tmp_path)


def test_recordings_without_folders(tmp_path: Path):
    trees.tone(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match="move the recordings of each speaker into a folder of its own"):
        prepare(tmp_path)


@pytest.mark.parametrize(("tree", "name"), [(trees.vctk_080, "vctk"), (trees.librispeech, "librispeech")])
def test_known_corpora_are_not_folders_of_speakers(tmp_path: Path, tree, name: str):
    with pytest.raises(CorpusError, match=f"this is {name}.*vqspeech prepare {name} --corpus"):
        prepare(tree(tmp_path))
