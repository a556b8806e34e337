"""Writing in one piece: whatever stops it, the old file is whole and nothing else is there."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vqspeech.files import replaced, replaced_folder, write_text


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    return path


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("old")
    return folder


def test_others_can_read_what_the_umask_lets_them(old: Path):
    with replaced(old) as temporary:
        temporary.touch()
        temporary.chmod(0o600)
    plain = old.with_name("plain")
    plain.touch()
    assert old.stat().st_mode == plain.stat().st_mode


def test_write_text(old: Path):
    write_text(old, "néw")
    assert old.read_text("utf-8") == "néw"
    write_text(old.parent / "deep" / "er" / "b", "x")
    assert sorted(os.listdir(old.parent)) == ["a.txt", "deep"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file(old: Path, error):
    with pytest.raises(error), replaced(old) as temporary:
        temporary.write_text("half")
        raise error
    assert old.read_text() == "old" and os.listdir(old.parent) == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_text(old, "new")
    assert old.read_text() == "old" and os.listdir(old.parent) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_disk_that_fills_up_while_writing(old: Path):
    with pytest.raises(OSError, match="No space left"), replaced(old) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("new")
    assert old.read_text() == "old" and os.listdir(old.parent) == ["a.txt"]


def test_a_block_that_writes_nothing_is_an_error(old: Path):
    with pytest.raises(FileNotFoundError), replaced(old):
        pass
    assert old.read_text() == "old"


def test_a_kill_leaves_the_old_file(old: Path, old_folder: Path):
    program = """
import os, sys
from tests.conftest import ROOT
from vqspeech.files import replaced, replaced_folder
with replaced(sys.argv[1]) as file, replaced_folder(sys.argv[2]) as folder:
    file.write_text("half")
    (folder / "a").write_text("half")
    os.kill(os.getpid(), 9)
"""
    found = subprocess.run([sys.executable, "-c", program, str(old), str(old_folder)], cwd=ROOT)
    assert found.returncode == -9
    assert old.read_text() == "old" and (old_folder / "a").read_text() == "old"
    # What a kill cannot take away is hidden, and no pattern such as *.txt finds it.
    assert sorted(name for name in os.listdir(old.parent) if not name.startswith(".")) == ["a.txt", "data"]


def test_folder_is_replaced_as_a_whole(old_folder: Path):
    with replaced_folder(old_folder) as new:
        (new / "b").write_text("new")
        assert os.listdir(old_folder) == ["a"], "until the end"
    assert os.listdir(old_folder) == ["b"] and os.listdir(old_folder.parent) == ["data"]


def test_new_folder(tmp_path: Path):
    with replaced_folder(tmp_path / "deep" / "data") as new:
        (new / "b").write_text("new")
    assert os.listdir(tmp_path / "deep") == ["data"]


def test_folder_after_an_exception(old_folder: Path):
    with pytest.raises(ValueError), replaced_folder(old_folder) as new:
        (new / "b").write_text("half")
        raise ValueError
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_folder_on_a_full_disk(old_folder: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(OSError, match="No space left"), replaced_folder(old_folder) as new:
        (new / "b").write_text("new")
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_move_in(old_folder: Path, monkeypatch: pytest.MonkeyPatch):
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: full_disk() if str(a).endswith(".tmp") else rename(a, b))
    with pytest.raises(OSError, match="No space left"), replaced_folder(old_folder) as new:
        (new / "b").write_text("new")
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]
