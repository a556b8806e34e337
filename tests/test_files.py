"""Writing in one piece: whatever stops it, the old file is whole and nothing else is there."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vqspeech import files
from vqspeech.errors import OutputError
from vqspeech.files import replace_file, replace_folder, temporary_folder, write_text


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
    with replace_file(old) as temporary:
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
    with pytest.raises(error), replace_file(old) as temporary:
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
    with pytest.raises(OSError, match="No space left"), replace_file(old) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("new")
    assert old.read_text() == "old" and os.listdir(old.parent) == ["a.txt"]


def test_a_block_that_writes_nothing_is_an_error(old: Path):
    with pytest.raises(FileNotFoundError), replace_file(old):
        pass
    assert old.read_text() == "old"


def test_a_kill_leaves_the_old_file(old: Path, old_folder: Path):
    program = """
import os, sys
from tests.conftest import ROOT
from vqspeech.files import replace_file, replace_folder
with replace_file(sys.argv[1]) as file, replace_folder(sys.argv[2]) as folder:
    file.write_text("half")
    (folder / "a").write_text("half")
    os.kill(os.getpid(), 9)
"""
    found = subprocess.run([sys.executable, "-c", program, str(old), str(old_folder)], cwd=ROOT)
    assert found.returncode == -9
    assert old.read_text() == "old" and (old_folder / "a").read_text() == "old"
    # What a kill cannot take away is hidden, and no pattern such as *.txt finds it.
    assert sorted(name for name in os.listdir(old.parent) if not name.startswith(".")) == ["a.txt", "data"]
    assert len(os.listdir(old.parent)) == 4
    files._remove_leftovers.cache_clear()  # as another process, which has not looked yet
    write_text(old, "new")
    assert sorted(os.listdir(old.parent)) == ["a.txt", "data"]


def leftovers(folder: Path, *owners: str) -> list[Path]:
    """Temporary files of several processes, and a folder of each, with something in it."""
    files._remove_leftovers.cache_clear()
    paths = [folder / f".x.wav.{owner}.tmp{suffix}" for owner in owners for suffix in ("", ".wav")]
    for path in paths[::2]:
        path.mkdir()
        (path / "recording").touch()
    for path in paths[1::2]:
        path.touch()
    return paths


def test_only_what_has_no_process_any_more_is_removed(tmp_path: Path):
    own, host, process = files._neighbour(Path("x"), "").name[3:], files._host(), os.getpid()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = leftovers(tmp_path, own, "00000000-1-1", f"{host}-1-{files._start(1)}")
    gone = leftovers(tmp_path, f"{host}-{ended.pid}-5", f"{host}-{process}-5")  # the latter's number was given again
    for name in (f".x.wav.{ended.pid}.tmp.wav", f".last.safetensors.{ended.pid}.tmp.safetensors"):  # of version 0.1.0
        (tmp_path / name).touch()
    for name in (f".x.wav.{process}.tmp.wav", ".x.tmp", f".x.{ended.pid}.tmp.wav", f"x.wav.{host}-{ended.pid}-5.tmp"):
        kept.append(tmp_path / name)
        kept[-1].touch()
    write_text(tmp_path / "y", "")
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)
    assert sorted(os.listdir(tmp_path)) == sorted(["y", *(path.name for path in kept)])


def test_what_another_machine_has_left_is_removed_after_a_day(tmp_path: Path):
    new, old = leftovers(tmp_path, "00000000-1-1"), leftovers(tmp_path, "00000001-1-1")
    for path in (old[0] / "recording", *old):
        os.utime(path, (0, 0))
    write_text(tmp_path / "y", "")
    assert all(path.exists() for path in new) and not any(path.exists() for path in old)


@pytest.mark.parametrize("name", ["n" * 251 + ".wav", "é" * 125 + ".wav", "x." + "y" * 253, "中" * 85])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path):
    with replace_file(tmp_path / name) as temporary:
        temporary.touch()
        assert temporary.suffix == (".wav" if name.endswith(".wav") else temporary.suffix)
    with replace_folder(tmp_path / "folder" / name):
        pass
    assert sorted(os.listdir(tmp_path)) == sorted([name, "folder"]) and os.listdir(tmp_path / "folder") == [name]


def test_text_of_names_that_are_no_text(tmp_path: Path):
    write_text(tmp_path / "a", json.dumps(["caf\udce9"], ensure_ascii=False))
    assert json.loads((tmp_path / "a").read_text("utf-8")) == ["caf\udce9"]


@pytest.mark.parametrize("name", ["data", "d" * 255])
def test_a_folder_comes_back_whose_process_was_killed_between_two_renames(name: str, tmp_path: Path):
    program = """
import os, sys
from pathlib import Path
from vqspeech.files import replace_folder
rename = os.replace
os.replace = lambda a, b: rename(a, b) if not str(a).endswith(".tmp") else os.kill(os.getpid(), 9)
with replace_folder(sys.argv[1]) as folder:
    (folder / "a").write_text("new")
"""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a").write_text("old")
    found = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT)
    assert found.returncode == -9 and not folder.exists()
    files.restore_folder(folder)
    assert (folder / "a").read_text() == "old"
    aside = files._neighbour(folder, ".old")
    aside.mkdir()
    files.restore_folder(folder)
    assert aside.exists(), "its process is at work"
    aside.rename(tmp_path / f".{files._shortened(name)}.{files._host()}-{os.getpid()}-5.old")
    with replace_folder(folder) as new:
        (new / "a").write_text("new")
    assert (folder / "a").read_text() == "new"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".old")]


def test_a_temporary_folder_is_for_this_user_alone(tmp_path: Path):
    with temporary_folder(tmp_path / "deep" / "x") as folder:
        (folder / "recording").touch()
        assert folder.parent == tmp_path / "deep" and folder.stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / "deep") == []


def test_folder_is_replaced_as_a_whole(old_folder: Path):
    with replace_folder(old_folder) as new:
        (new / "b").write_text("new")
        assert os.listdir(old_folder) == ["a"], "until the end"
    assert os.listdir(old_folder) == ["b"] and os.listdir(old_folder.parent) == ["data"]


def test_new_folder(tmp_path: Path):
    with replace_folder(tmp_path / "deep" / "data") as new:
        (new / "b").write_text("new")
    assert os.listdir(tmp_path / "deep") == ["data"]


def test_folder_after_an_exception(old_folder: Path):
    with pytest.raises(ValueError), replace_folder(old_folder) as new:
        (new / "b").write_text("half")
        raise ValueError
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_folder_on_a_full_disk(old_folder: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(OSError, match="No space left"), replace_folder(old_folder) as new:
        (new / "b").write_text("new")
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_move_in(old_folder: Path, monkeypatch: pytest.MonkeyPatch):
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: full_disk() if str(a).endswith(".tmp") else rename(a, b))
    with pytest.raises(OSError, match="No space left"), replace_folder(old_folder) as new:
        (new / "b").write_text("new")
    assert os.listdir(old_folder) == ["a"] and os.listdir(old_folder.parent) == ["data"]


def test_only_what_a_process_moved_aside_comes_back_and_the_newest_of_it(tmp_path: Path):
    """A folder of the user's that is called alike stays where it is."""
    for age, name in enumerate((".data.backup.old", ".data.2.4194305.old", ".data.4194305.old", ".data.4194306.old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
        os.utime(tmp_path / name, (100 + age, 100 + age))
    os.utime(tmp_path / ".data.4194305.old", (999, 999))
    files.restore_folder(tmp_path / "data")
    assert sorted(os.listdir(tmp_path)) == [".data.2.4194305.old", ".data.backup.old", "data"]
    assert (tmp_path / "data" / "a").read_text() == ".data.4194305.old"


def test_places_that_can_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in ("new", "deep/er/new", "file", "n" * 255):
        files.check_file(tmp_path / path)
    for path in ("new", "deep/er/new", "."):
        files.check_folder(tmp_path / path)
    assert os.listdir(tmp_path) == ["file"], "looking leaves nothing"


@pytest.mark.parametrize(
    ("check", "path", "message"),
    [
        (files.check_file, ".", "is a folder; name a file in it"),
        (files.check_file, "file/new", "file is a file, not a folder"),
        (files.check_file, "n" * 256, "more than 255 bytes"),
        (files.check_file, "new/" + "é" * 128, "a name of more than 255 bytes"),
        (files.check_file, "pipe", "is a device or a pipe"),
        (files.check_folder, "file", "file: is a file, not a folder"),
        (files.check_folder, "pipe/x", "pipe is a file, not a folder"),
        (files.check_folder, "new/" + "n" * 256, "more than 255 bytes"),
    ],
)
def test_places_that_cannot_be_written(check, path: str, message: str, tmp_path: Path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=message):
        check(tmp_path / path)


def test_a_disk_without_room(tmp_path: Path):
    with pytest.raises(OutputError, match=r"takes 10+\.0 MB, and the disk has .* MB left"):
        files.check_file(tmp_path / "x", 10**24)


def test_whether_case_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").touch()
    assert files.ignores_case(tmp_path / "not" / "there") == (tmp_path / "A").exists()
    assert os.listdir(tmp_path) == ["a"]
    monkeypatch.setattr(Path, "exists", lambda self: os.path.exists(str(self).lower()))
    assert files.ignores_case(tmp_path)
