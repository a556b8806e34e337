"""Compiled functions whose machine code on disk is damaged."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
from numba import njit
from vqspeech.extras import recompile_damaged

@njit(cache=True)
def add(x):
    return x + 1

recompile_damaged(add)
assert add(2) == 3
print("from disk" if sum(add.stats.cache_hits.values()) else "compiled")
"""


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_what_is_damaged_is_compiled_again(tmp_path, kind):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}

    def said() -> str:
        command = [sys.executable, "program.py"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert [said(), said()] == ["compiled", "from disk"]
    for damaged in (b"", b"\x80\x04cos\nsystem", None):
        for path in (tmp_path / "cache").rglob(f"*.{kind}"):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2] if damaged is None else damaged)
        assert [said(), said()] == ["compiled", "from disk"]
