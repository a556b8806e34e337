"""Locks: one process at a time, told who it is; those of processes that are gone are taken over."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vqspeech.errors import OutputError
from vqspeech.files import process_identity
from vqspeech.locks import lock_file, lock_folder

HOLD = """
import os, sys
from vqspeech.locks import lock_folder
sys.argv = ["vqspeech", "train", "--out", "a b"]
with lock_folder({folder!r}):
    print("held", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), {signal})
"""


def started(program: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def held(folder: Path, signal: int = 0) -> subprocess.Popen:
    """A process that holds the lock of a folder until it is told to go on; then it gets that signal."""
    program = HOLD.format(folder=str(folder), signal=signal)
    process = started(program)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_the_first_is(tmp_path):
    (tmp_path / "out").mkdir()
    process = held(tmp_path / "out")
    with pytest.raises(OutputError) as raised, lock_folder(tmp_path / "out"):
        pass
    message = str(raised.value)
    assert f"process {process.pid} on " in message and "vqspeech train --out 'a b'" in message
    assert "wait for it, end it, or choose another --out" in message and "remove" not in message
    process.communicate("\n")
    assert os.listdir(tmp_path / "out") == []
    with lock_folder(tmp_path / "out"):
        assert os.listdir(tmp_path / "out") == [".lock"]
        with pytest.raises(OutputError, match=f"process {os.getpid()}"), lock_folder(tmp_path / "out"):
            pass
        assert os.listdir(tmp_path / "out") == [".lock"], "who was refused takes nothing away"
    assert os.listdir(tmp_path / "out") == []


def test_a_kill_leaves_a_lock_that_the_next_one_takes_over(tmp_path):
    held(tmp_path, signal=9).communicate("\n")
    assert os.listdir(tmp_path) == [".lock"]
    with lock_folder(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("left", ["", "[]", "{", '{"owner": 3}', '{"owner": "x"}', "\udcff", None])
def test_a_lock_that_says_nothing_is_taken_over(tmp_path, left, links, monkeypatch):
    def no_links(*_):
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    if left is not None:
        (tmp_path / ".lock").write_bytes(left.encode("utf-8", "surrogateescape"))
        with pytest.raises(OutputError), lock_folder(tmp_path):
            pass  # it may be one that is being written just now
        os.utime(tmp_path / ".lock", (1, 1))
    with lock_folder(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]
    assert os.listdir(tmp_path) == []


def test_a_process_of_the_same_number_is_another_one(tmp_path):
    host, number, started = process_identity().split("-")
    for owner, gone in ((f"{host}-{number}-{int(started) + 1}", True), (f"{'0' * 8}-{number}-{started}", False)):
        (tmp_path / ".lock").write_text(json.dumps({"owner": owner, "process": 1, "host": "elsewhere"}))
        if gone:
            with lock_folder(tmp_path):
                pass
        else:
            told = pytest.raises(OutputError, match=r"process 1 on elsewhere.*if it is gone, remove .*\.lock")
            with told, lock_folder(tmp_path):
                pass


def test_of_many_that_start_at_once_over_a_stale_lock_one_gets_it(tmp_path):
    program = """
import sys, time
from vqspeech.errors import OutputError
from vqspeech.locks import lock_folder
sys.stdin.readline()
try:
    with lock_folder(sys.argv[1]):
        print("held", flush=True)
        time.sleep(2)
except OutputError:
    print("refused")
"""
    held(tmp_path, signal=9).communicate("\n")
    processes = [started(program, str(tmp_path)) for _ in range(4)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = sorted(process.communicate()[0] for process in processes)
    assert said == ["held\n", "refused\n", "refused\n", "refused\n"] and os.listdir(tmp_path) == []


def test_a_file_and_what_cannot_be_written(tmp_path, monkeypatch):
    with lock_file(tmp_path / "new" / "m.safetensors"):
        assert os.listdir(tmp_path / "new") == [".m.safetensors.lock"]
        (tmp_path / "new" / "m.safetensors").touch()
        with lock_file(tmp_path / "new" / "other"):
            pass
    (tmp_path / "file").touch()
    for lock, path, reason in (
        (lock_folder, "file", "File exists|it is no folder|Not a directory"),
        (lock_folder, "file/x", "Not a directory"),
        (lock_file, "new", "it is a folder"),
    ):
        told = pytest.raises(OutputError, match=f"cannot be written to .*({reason}).*; choose another --out")
        with told, lock(tmp_path / path):
            pass

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", forbidden)
    with pytest.raises(OutputError, match=r"cannot be written to \(Permission denied\)"), lock_folder(tmp_path):
        pass


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path):
    with pytest.raises(ValueError), lock_folder(tmp_path / "new"):
        raise ValueError
    with lock_folder(tmp_path / "used"):
        (tmp_path / "used" / "a").touch()
    (tmp_path / "old").mkdir()
    with lock_folder(tmp_path / "old"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["old", "used"] and os.listdir(tmp_path / "used") == ["a"]
