"""Other systems, as far as Linux can show them: no fork, no fcntl, `C:\\` paths, cp1252 consoles."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import psutil
import pytest

from tests.conftest import ROOT, buzz
from vqspeech import audio, files
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.tables import is_pipe
from vqspeech.errors import CheckpointError, OutputError
from vqspeech.locks import lock_folder
from vqspeech.models import checkpoint
from vqspeech.pretrained import find_checkpoint
from vqspeech.text.commands.score_translations import parse_system

LACKING = """
import os, sys
del os.fork, os.forkpty
sys.modules.update(dict.fromkeys(["fcntl", "termios", "pwd", "grp", "resource"]))
"""
"""Python, in every process, without what Windows has not."""
VERBS = """
import json, sys
from vqspeech.cli import main
assert not hasattr(__import__("os"), "fork")
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        print("status", main())
    except SystemExit as end:
        print("status", end.code)
"""


def run(verbs: list[list[str]], folder: Path, checkpoint: Path) -> str:
    """Run verbs on a console of Western Europe; return what they print."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(LACKING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)])}
    environment |= {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C.UTF-8", "VQSPEECH_MODEL": str(checkpoint)}
    environment["COLUMNS"] = "200"
    command = [sys.executable, "-c", VERBS, json.dumps(verbs)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300)
    said = done.stderr.decode("cp1252")
    assert done.returncode == 0 and "Traceback" not in said, said
    return said + done.stdout.decode("cp1252")


def test_a_corpus_goes_all_the_way_without_fork_and_fcntl_in_windows_paths_on_a_cp1252_console(tmp_path, checkpoint):
    corpus, data, out = "C:\\Korpora\\ŁódĽ 語", "D:\\data\\all", "D:\\gesprochen → 語"
    for speaker, f0 in (("Žofie", 210.0), ("ユキ", 105.0)):
        for i in range(2):
            audio.write(tmp_path / corpus / speaker / f"{i}.wav", buzz(0.4, f0, i))
    text = run(
        [
            ["prepare", "folder", "--corpus", corpus, "--out", data, "--nj", "2"],
            ["validate", data],
            ["dump", data, "--out", "D:\\dump", "--nj", "2"],
            ["encode", "--data", data, "--out", "E:\\units.txt", "--nj", "2"],
            ["convert", "--data", data, "--speaker", "high", "--out", out],
            ["convert", "--data", data, "--speaker", "Ž → 語", "--out", "no"],
            ["encode", "--src", "C:\\gone 語.wav", "--out", "no"],
            ["speakers"],
            ["models"],
            ["info", "--conf", "vctk"],
            ["--help"],
            ["vision", "--help"],
            ["convert", "--help"],
        ],
        tmp_path,
        checkpoint,
    )
    statuses = [line.split()[1] for line in text.splitlines() if line.startswith("status")]
    assert statuses == ["0"] * 5 + ["1"] * 2 + ["0"] * 6, text
    found = DataDir.read(tmp_path / data)
    assert [one.speaker for one in found] == ["Žofie", "Žofie", "ユキ", "ユキ"]
    assert all(corpus in one.path and Path(one.path).is_file() for one in found)
    assert len(list((tmp_path / out).rglob("*.wav"))) == 4 and "\\u8a9e" in text, (
        "what the console lacks, as its number"
    )
    assert len((tmp_path / "E:\\units.txt").read_text(encoding="utf-8").splitlines()) == 4
    written = [path for path in (tmp_path / data).iterdir() if path.is_file()]
    assert written and not any(b"\r" in path.read_bytes() for path in written)
    assert not list(tmp_path.rglob("*.lock")) and not list(tmp_path.rglob("*.tmp"))


def test_windows_paths_are_kept_in_data_directories(tmp_path):
    path = str(PureWindowsPath("C:/Korpora/a b/Łódź/1.wav"))
    data = DataDir(
        [Utterance("anna-1", "anna", path, seconds=1.0, alignment=str(PureWindowsPath("D:/ali/1.TextGrid")))]
    )
    data.write(tmp_path / "data")
    [read] = DataDir.read(tmp_path / "data")
    assert (read.path, read.alignment) == (path, "D:\\ali\\1.TextGrid") and not is_pipe(read.path)


def test_a_windows_path_is_no_model_of_the_hub_and_its_drive_no_setting():
    with pytest.raises(CheckpointError, match="gone"):
        checkpoint.read(find_checkpoint("C:\\models\\gone"))
    for path in ("C:\\exp\\teacher", "C:/exp/teacher", "exp/teacher", "a"):
        assert parse_system(f"{path}:beam=4")[0] == parse_system(path)[0] == path
        assert parse_system(f"{path}:beam=4")[1].beam == 4


def test_text_is_in_utf8_and_written_with_lf_on_every_system():
    """Otherwise Windows takes its code page, and writes CRLF, which the tables of a data directory must not have."""
    places = []
    for path in sorted((ROOT / "vqspeech").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            mode = find_text_mode(call) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and mode:
                given = {one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)}
                good = str(given.get("encoding")).startswith("utf-8") and (mode == "r" or given.get("newline") == "\n")
                places.append((f"{path.relative_to(ROOT)}:{call.lineno}", good))
    assert len(places) > 20 and [place for place, good in places if not good] == []


def find_text_mode(call: ast.Call) -> str:
    """Return r or w where a call opens a file as text, else nothing."""
    if isinstance(call.func, ast.Attribute):
        return {"write_text": "w", "read_text": "r"}.get(call.func.attr, "")
    if not isinstance(call.func, ast.Name) or call.func.id != "open":
        return ""
    mode = "".join(str(one.value) for one in call.args[1:2] if isinstance(one, ast.Constant)) or "r"
    return "" if "b" in mode else "w" if set(mode) & set("wax") else "r"


def test_where_no_signal_can_ask_locks_of_processes_that_ended_are_taken_over(tmp_path, monkeypatch):
    """`os.kill` of Windows ends a process, so that psutil is asked whether it runs."""
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", None)
    own = files.process_identity()
    assert files.is_running(own) and own.endswith(f"-{int(100 * psutil.Process().create_time())}")
    there = f"{own.split('-')[0]}-{ended.pid}-{int(100 * psutil.Process(ended.pid).create_time())}"
    ended.wait()
    assert files.is_running(there) is False
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"owner": there}))
    with lock_folder(tmp_path):
        assert json.loads(lock.read_text())["owner"] == own
        with pytest.raises(OutputError, match=f"process {os.getpid()}"), lock_folder(tmp_path):
            pass
    assert not lock.exists()
