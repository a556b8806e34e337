"""A bare folder per speaker."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import trees
from vqspeech import audio
from vqspeech.data.corpora.folder import prepare
from vqspeech.data.datadir import DataDir
from vqspeech.data.validate import find_faults
from vqspeech.errors import SOME_SKIPPED, CorpusError
from vqspeech.soundfiles import ffmpeg


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
    assert account.recordings == 4 and not account.dropped
    data.write(tmp_path / "data")
    assert find_faults(tmp_path / "data") == [] and DataDir.read(tmp_path / "data") == data


def test_what_is_dropped(tmp_path: Path):
    trees.tone(tmp_path / "loose.wav")
    trees.tone(tmp_path / "a/x-y.wav")
    trees.tone(tmp_path / "a/x/y.wav")
    trees.tone(tmp_path / "a/line\nend.wav")
    trees.text(tmp_path / "a/bad.wav")
    data, account = prepare(tmp_path)
    assert list(data.utterances) == ["a-x-y"]
    assert account.recordings == 5 and account.exit_status() == SOME_SKIPPED
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
    with pytest.raises(CorpusError, match="move the recordings of each speaker into one folder"):
        prepare(tmp_path)


def test_a_recording_that_is_there_twice_is_taken_once(tmp_path: Path):
    for name in ("a.WAV", "a.WAV.wav", "b.wav", "b.mp3", "b.flac", "d1/c.wav", "d2/c.wav", "a.1.wav"):
        trees.tone(tmp_path / "s" / name, 1.0)
    trees.tone(tmp_path / "s/e.flac")
    trees.text(tmp_path / "s/e.wav", "no sound")
    trees.text(tmp_path / "s/a.txt", "hello")
    data, account = prepare(tmp_path)
    assert {one.id: Path(one.path).name for one in data} == {
        "s-a": "a.WAV", "s-a.1": "a.1.wav", "s-b": "b.flac", "s-d1-c": "c.wav", "s-d2-c": "c.wav", "s-e": "e.flac",
    }  # fmt: skip
    assert data["s-a"].text == "hello" and account.recordings == 10 and not account.unreadable.reasons
    assert account.dropped == {"a copy of a recording that is there": ["s/a.WAV.wav", "s/b.mp3", "s/b.wav", "s/e.wav"]}


def test_ids_that_differ_in_letter_case_alone_are_noted(tmp_path: Path):
    for name in ("s/A.wav", "s/a.wav", "s/b.wav"):
        trees.tone(tmp_path / name)
    data, account = prepare(tmp_path)
    assert len(data) == 3 and any("letter case" in what and names == ["s-a"] for what, names in account.notes.items())


def test_one_microphone_is_kept(tmp_path: Path):
    for name in ("p225_001_mic1.flac", "p225_001_mic2.flac", "p280_002_mic2.flac"):
        trees.tone(tmp_path / "me" / name)
    data, account = prepare(tmp_path)
    assert list(data.utterances) == ["me-p225_001_mic1", "me-p280_002_mic2"]
    assert account.dropped == {"another microphone of a recording that is there": ["me/p225_001_mic2.flac"]}


def test_transcripts_with_endings_in_upper_case_and_numbers_of_samples(tmp_path: Path):
    for name, text in (("a.WAV", "0 46797 She had"), ("b.WAV", "1984 2001 films")):
        trees.tone(tmp_path / "me" / name)
        trees.text(tmp_path / "me" / name.replace("WAV", "TXT"), text)
    trees.text(tmp_path / "me/a.PHN", trees.PHN)
    assert [one.text for one in prepare(tmp_path)[0]] == ["She had", "1984 2001 films"]


def test_speakers_whose_ids_kaldi_cannot_sort_are_noted(tmp_path: Path):
    for name in ("a/b-1", "a/d", "a-b/c"):
        trees.tone(tmp_path / f"{name}.wav")
    account = prepare(tmp_path)[1]
    assert any("not sorted by speaker" in what and names == ["a-d"] for what, names in account.notes.items())


@pytest.mark.parametrize("part", ["wav48_silence_trimmed", "wav48"])
def test_a_part_of_vctk_is_not_a_folder_of_speakers(tmp_path: Path, part: str):
    tree = trees.vctk_080 if part == "wav48" else trees.vctk_092
    with pytest.raises(CorpusError, match=f"vqspeech prepare vctk --corpus {tmp_path / 'VCTK'}$"):
        prepare(tree(tmp_path / "VCTK") / part)


@pytest.mark.parametrize("part", [".", "TRAIN", "TEST/DR1"])
def test_a_part_of_timit_is_not_a_folder_of_speakers(tmp_path: Path, part: str):
    with pytest.raises(CorpusError, match="this is timit.*vqspeech prepare timit --corpus"):
        prepare(trees.timit(tmp_path) / part)


@pytest.mark.parametrize(("tree", "name"), [(trees.vctk_080, "vctk"), (trees.librispeech, "librispeech")])
def test_known_corpora_are_not_folders_of_speakers(tmp_path: Path, tree, name: str):
    with pytest.raises(CorpusError, match=f"this is {name}.*vqspeech prepare {name} --corpus"):
        prepare(tree(tmp_path))


NO_FFMPEG = "of a kind that only ffmpeg reads, which is not here; pip install 'vqspeech[video]', or convert each"


@pytest.mark.parametrize("ending", [".wave", ".oga", ".w64", ".caf", ".aif", ".aiff", ".au", ".WAV", ".opus", ".sph"])
def test_every_ending_that_soundfile_reads(ending: str, tmp_path: Path):
    kinds = {".wave": "WAV", ".aif": "AIFF", ".oga": "OGG", ".opus": "OGG", ".sph": "NIST"}
    path = tmp_path / f"anna/a{ending}"
    path.parent.mkdir()
    subtype = "OPUS" if ending == ".opus" else None
    soundfile.write(path, np.full(8000, 0.1), 8000, format=kinds.get(ending), subtype=subtype)
    data, account = prepare(tmp_path)
    assert [one.seconds for one in data] == [1.0] and not account.dropped


def test_recordings_passed_over_because_of_their_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ffmpeg, "find_program", lambda: None)
    trees.tone(tmp_path / "a/x.wav")
    for name in ("a/b.m4a", "a/deep/c.WEBM", "loose.mp4"):
        trees.text(tmp_path / name)
    trees.text(tmp_path / "a/d.pcm")
    trees.text(tmp_path / "a/x.txt")
    trees.text(tmp_path / "a/notes.docx")
    for name, ending in (("a/e.wav1", "wav"), ("a/recording", "flac"), ("a/f.bak", "mp3")):
        trees.tone(tmp_path / f"a/g.{ending}").rename(tmp_path / name)
    data, account = prepare(tmp_path)
    assert list(data.utterances) == ["a-x"]
    found = {reason.split(":")[0]: sorted(names) for reason, names in account.dropped.items()}
    assert found == {
        NO_FFMPEG: ["a/b.m4a", "a/deep/c.WEBM", "loose.mp4"],
        "samples without a header; convert each": ["a/d.pcm"],
        "a sound file by its first bytes, not by its ending; rename it": ["a/e.wav1", "a/f.bak", "a/recording"],
    }
    assert account.recordings == 8 and "dropped 3: of a kind that only ffmpeg reads" in account.summary()


def test_with_ffmpeg_other_endings_are_recordings(tmp_path: Path):
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    trees.tone(tmp_path / "x.wav", 1.0)
    (tmp_path / "corpus/anna").mkdir(parents=True)
    command = [program, "-v", "error", "-i", str(tmp_path / "x.wav"), str(tmp_path / "corpus/anna/a.m4a")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    data, account = prepare(tmp_path / "corpus")
    [one] = data
    assert one.seconds == pytest.approx(1.0, abs=0.13) and not account.dropped
    assert len(audio.read_waveform(one.path)) == pytest.approx(audio.RATE * (one.seconds or 0), abs=2)


def test_folders_named_like_recordings(tmp_path: Path):
    trees.tone(tmp_path / "a/x.wav")
    trees.tone(tmp_path / "a/full.wav/y.wav")
    for name in ("a/x2.wav", "a/deep/x3.flac", "b.mp3"):
        (tmp_path / name).mkdir(parents=True)
    data, account = prepare(tmp_path)
    assert list(data.utterances) == ["a-full.wav-y", "a-x"] and account.recordings == 2
    reason = "a folder without recordings, named like one; move or delete it"
    assert sorted(account.dropped[reason]) == ["a/deep/x3.flac", "a/x2.wav", "b.mp3"]


def test_a_recording_whose_header_lies_has_its_right_length(tmp_path: Path):
    path = trees.tone(tmp_path / "a/x.flac", 2.0)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    wav = trees.tone(tmp_path / "a/y.wav", 2.0)
    wav.write_bytes(wav.read_bytes()[:40] + bytes(4) + wav.read_bytes()[44:])
    trees.tone(tmp_path / "a/z.wav", 2.0).write_bytes(wav.read_bytes()[:8000])
    cut = trees.tone(tmp_path / "a/cut.wav", 2.0)
    cut.write_bytes(cut.read_bytes()[:16_044])
    found, account = prepare(tmp_path)
    assert {one.id: one.seconds for one in found} == {"a-x": 2.0, "a-y": 2.0, "a-z": 0.497250}
    assert (
        "truncated, the last 1.00 s" in account.unreadable.reasons[str(cut)] and account.exit_status() == SOME_SKIPPED
    )
    found.write(tmp_path / "data")
    assert find_faults(tmp_path / "data") == []
