"""The commands that make, check and divide data directories: prepare, validate, split, subset, combine."""

from pathlib import Path

import pytest

from tests import trees
from vqspeech.cli import main
from vqspeech.commands.prepare import CORPORA, import_corpus
from vqspeech.data.datadir import DataDir
from vqspeech.errors import FAILED, SOME_SKIPPED


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of four speakers with six different sentences each, prepared by the command."""
    for speaker in ("p225", "p226", "p227", "p228"):
        for i in range(6):
            trees.tone(tmp_path / f"vctk/wav48/{speaker}/{speaker}_{i:03d}.wav", 0.1)
            trees.text(tmp_path / f"vctk/txt/{speaker}/{speaker}_{i:03d}.txt", f"Sentence {i}.")
    trees.text(tmp_path / "vctk/speaker-info.txt", "225 23 F\n226 22 M\n227 38 M\n228 22 F\n")
    assert main(["prepare", "vctk", "--corpus", str(tmp_path / "vctk"), "--out", str(tmp_path / "data")]) == 0
    return tmp_path / "data"


def test_every_corpus_has_its_module():
    assert all(callable(import_corpus(name).prepare) for name in CORPORA)


@pytest.mark.parametrize(
    ("name", "tree", "options", "count"),
    [
        ("vctk", trees.vctk_080, [], 6),
        ("vctk", trees.vctk_092, ["--mic", "mic2"], 4),
        ("librispeech", trees.librispeech, ["--subset", "dev-clean"], 2),
        ("timit", trees.timit, [], 4),
        ("timit", trees.timit, ["--subset", "train", "--no-sa"], 2),
    ],
)
def test_prepare(tmp_path: Path, capsys: pytest.CaptureFixture, name: str, tree, options: list[str], count: int):
    root = tree(tmp_path / "corpus")
    assert main(["prepare", name, "--corpus", str(root), "--out", str(tmp_path / "data"), *options]) == 0
    assert f"kept {count} utterances of " in capsys.readouterr().out
    assert len(DataDir.read(tmp_path / "data")) == count


def test_prepare_with_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trees.tone(tmp_path / "own/me/a.wav")
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "folder", "--corpus", "own", "--out", "data"]) == 0
    monkeypatch.chdir("own")
    assert main(["validate", "../data"]) == 0


def test_prepare_with_a_broken_recording(tmp_path: Path, capsys: pytest.CaptureFixture):
    trees.tone(tmp_path / "own/me/a.wav")
    trees.text(tmp_path / "own/me/b.wav")
    command = ["prepare", "folder", "--corpus", str(tmp_path / "own"), "--out", str(tmp_path / "data")]
    assert main(command) == SOME_SKIPPED
    captured = capsys.readouterr()
    assert "dropped 1: cannot be read" in captured.out and "skipped" in captured.err
    assert list(DataDir.read(tmp_path / "data").utterances) == ["me-a"]


def test_prepare_of_the_wrong_folder(tmp_path: Path, capsys: pytest.CaptureFixture):
    command = ["prepare", "vctk", "--corpus", str(tmp_path), "--out", str(tmp_path / "data")]
    assert main(command) == FAILED
    captured = capsys.readouterr()
    assert "no VCTK here" in captured.err and "Traceback" not in captured.err
    assert not (tmp_path / "data").exists()


def test_validate_says_that_all_is_well(data: Path, capsys: pytest.CaptureFixture):
    assert main(["validate", str(data)]) == 0
    assert f"{data}: no fault in 24 utterances of 4 speakers" in capsys.readouterr().out
    assert main(["validate", str(data), "--no-audio"]) == 0
    assert "recordings not opened" in capsys.readouterr().out


def test_validate_prints_each_fault(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (data / "spk2gender").write_text("p225 F\np226 m\n")
    (tmp_path / "vctk/wav48/p226/p226_000.wav").write_bytes(b"noise")
    assert main(["validate", str(data)]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{data}/spk2gender:1: gender 'F' of 'p225'; write f or m"
    assert lines[1].startswith(f"{data}/wav.scp:7: {tmp_path}/vctk/wav48/p226/p226_000.wav: not a sound file")
    assert lines[2] == f"{data}: 2 faults"
    assert main(["validate", str(data), "--no-audio"]) == FAILED
    assert capsys.readouterr().out.splitlines()[-1] == f"{data}: 1 fault"


def test_split_and_combine_again(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    parts = tmp_path / "parts"
    assert main(["split", str(data), "--out", str(parts), "--unseen", "2"]) == 0
    assert sorted(path.name for path in parts.iterdir()) == ["dev", "test", "train", "unseen"]
    assert sorted((parts / "unseen/spk2gender").read_text().split()[1::2]) == ["f", "m"]
    for name in ("dev", "test"):
        assert len({one.text for one in DataDir.read(parts / name)}) == 1
    assert f"{parts}/dev: 2 utterances of 2 speakers" in capsys.readouterr().out
    assert main(["combine", *(str(path) for path in parts.iterdir()), "--out", str(tmp_path / "all")]) == 0
    assert DataDir.read(tmp_path / "all") == DataDir.read(data)
    assert main(["validate", str(tmp_path / "all")]) == 0


def test_split_again_leaves_no_unseen_speakers_of_before(data: Path, tmp_path: Path):
    parts = tmp_path / "parts"
    assert main(["split", str(data), "--out", str(parts), "--unseen-speakers", "p226"]) == 0
    assert DataDir.read(parts / "unseen").speakers == ["p226"]
    assert main(["split", str(data), "--out", str(parts)]) == 0
    assert sorted(path.name for path in parts.iterdir()) == ["dev", "test", "train"]


def test_split_of_too_little(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["split", str(data), "--out", str(tmp_path / "parts"), "--unseen", "4"]) == FAILED
    assert "leave at least one" in capsys.readouterr().err


def test_subset(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "some"
    assert main(["subset", str(data), "--out", str(out), "--speakers", "p225", "p228", "--per-speaker", "2"]) == 0
    assert list(DataDir.read(out).utterances) == ["p225_000", "p225_003", "p228_000", "p228_003"]
    assert main(["subset", str(data), "--out", str(out), "--utterances", "p226_001"]) == 0
    assert list(DataDir.read(out).utterances) == ["p226_001"]
    assert main(["subset", str(data), "--out", str(out), "--utterance-list", str(out / "utt2spk")]) == 0
    assert list(DataDir.read(out).utterances) == ["p226_001"]
    assert main(["subset", str(data), "--out", str(out), "--utterance-list", "/nowhere"]) == FAILED
    assert "/nowhere: cannot be read as a list of utterances" in capsys.readouterr().err


def test_subset_mends_spk2utt(data: Path, tmp_path: Path):
    (data / "spk2utt").unlink()
    assert main(["subset", str(data), "--out", str(tmp_path / "whole")]) == 0
    assert main(["validate", str(tmp_path / "whole")]) == 0


def test_combine_refuses_a_conflict(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["subset", str(data), "--out", str(tmp_path / "other")]) == 0
    scp = tmp_path / "other/wav.scp"
    scp.write_text(scp.read_text().replace("p225_000.wav", "p225_001.wav"))
    assert main(["combine", str(data), str(tmp_path / "other"), "--out", str(tmp_path / "all")]) == FAILED
    assert "1 utterance ids mean different utterances in two directories (p225_000)" in capsys.readouterr().err


def test_what_would_lose_data_is_refused(data: Path, capsys: pytest.CaptureFixture):
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    assert main(["subset", str(data), "--out", str(data), "--per-speaker", "1"]) == FAILED
    assert "the other utterances would be lost" in capsys.readouterr().err
    assert main(["dump", str(data), "--out", str(data)]) == FAILED
    assert "is a data directory, which a dump would damage" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
    assert main(["subset", str(data), "--out", str(data)]) == 0, "which loses nothing"
