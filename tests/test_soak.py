"""Small forms of `tools/soak`: kills at random moments, and the loss of a process and of a node."""

import sys
from pathlib import Path

import pytest

from tools.soak.kills import run_kills

LIGHT = ("prepare", "prepare --shards", "subset", "split", "combine", "align", "dump", "dump --shards", "gather")
"""Those that load no model."""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_kills_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    assert run_kills(tmp_path / "kills", 9, seed=1, names=LIGHT) == []
