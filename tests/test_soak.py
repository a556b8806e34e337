"""Small forms of `tools/soak`: kills at random moments, and the loss of a process and of a node."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.soak.disks import mount, run_disks
from tools.soak.kills import run_kills
from tools.soak.load import run_load

LIGHT = (
    "prepare",
    "prepare --shards",
    "subset",
    "split",
    "combine",
    "align",
    "dump",
    "dump --shards",
    "dump to a URL",
    "gather",
)
"""Those that load no model."""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes import this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))


def test_kills_at_random_moments(tmp_path: Path):
    assert run_kills(tmp_path / "kills", 10, seed=1, names=LIGHT) == []


def test_broken_recordings_in_shards_under_kills(tmp_path: Path):
    assert run_load(tmp_path / "load", 400, ("prepare", "dump")) == []


def test_disks_that_fill_up(tmp_path: Path):
    probe = tmp_path / "probe"
    probe.mkdir()
    try:
        mount(probe, 1 << 20)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    subprocess.run(["umount", str(probe)], check=True)
    assert run_disks(tmp_path / "disks", 3, seed=1, names=("prepare", "dump", "dump --shards")) == []
