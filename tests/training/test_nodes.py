"""Training on two nodes of two processes (torchrun, gloo, loopback), each node in a working folder of its own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vqspeech.cli import main
from vqspeech.models import checkpoint

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    "training.steps=60", "training.seconds=0.32", "training.lr=1e-4", "training.evaluate_every=20",
    "training.listen_every=1000", "training.warmup=2", "quantizer.codes=8", "quantizer.revive_below=0",
    "frontend.warp=0", "decoder.dropout=0", "training.precision=fp32",
]  # fmt: skip
MINUTE = 60.0


def start_node(rank: int, port: int, folder: Path) -> subprocess.Popen:
    """Start a node of two processes by torchrun."""
    words = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "2",
        "--node_rank", str(rank),
        "--master_addr", "127.0.0.1", "--master_port", str(port), "-m", "vqspeech.cli",
        "train", "--conf", "mini_world", "--train", "dump", "--dev", "dump", "--out", "exp", *SETTINGS,
        "training.batch=2", "training.evaluate_batches=4",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    log = open(folder / "log", "ab")  # noqa: SIM115 -- the node writes to it
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def start_nodes(folders: list[Path]) -> list[subprocess.Popen]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [start_node(rank, port, folder) for rank, folder in enumerate(folders)]


def find_ranks(node: subprocess.Popen) -> list[int]:
    """Return the processes that torchrun has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(node.pid)], capture_output=True, text=True).stdout
    return [int(word) for word in found.split()]


def read_figures(folder: Path) -> list[dict]:
    lines = (folder / "exp" / "curves.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.skipif(sys.platform != "linux", reason="gloo on the loopback of Linux")
def test_two_nodes_train_as_one_process_and_survive_a_killed_rank(small_shards, tmp_path: Path, monkeypatch):
    folders = [tmp_path / name for name in ("first", "second")]
    single = tmp_path / "single"
    for folder in (*folders, single):
        shutil.copytree(small_shards.path, folder / "dump")
    nodes = start_nodes(folders)
    try:
        last = folders[0] / "exp" / "last.safetensors"
        deadline = time.monotonic() + 240
        while not last.exists():
            assert all(node.poll() is None for node in nodes), (folders[0] / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(find_ranks(nodes[1])[1], signal.SIGKILL)
        killed = time.monotonic()
        assert all(node.wait(MINUTE) != 0 for node in nodes)
        assert time.monotonic() - killed < MINUTE
        assert checkpoint.read(last)[1]["step"] < 60, "it was killed in the middle"
        assert not list((folders[1]).glob("exp/*.safetensors")), "the second node has a folder of its own"
        nodes = start_nodes(folders)  # the second node has no checkpoint: it gets the first one's
        assert [node.wait(240) for node in nodes] == [0, 0], (folders[0] / "log").read_text()[-2000:]
        assert re.search("from step [24]0 of 60", (folders[0] / "log").read_text())
    finally:
        for node in nodes:
            if node.poll() is None:
                os.killpg(node.pid, signal.SIGKILL)
    monkeypatch.chdir(single)
    words = ["train", "--conf", "mini_world", "--train", "dump", "--dev", "dump", "--out", "exp"]
    assert main([*words, *SETTINGS, "training.batch=8", "training.evaluate_batches=1"]) == 0
    ours, theirs = read_figures(folders[0]), read_figures(single)
    assert [one["step"] for one in ours] == [one["step"] for one in theirs] == [20, 40, 60]
    for one, other in zip(ours, theirs, strict=True):
        for name in ("decoder", "train_loss"):
            assert one[name] == pytest.approx(other[name], rel=2e-3), f"{name} at step {one['step']}"
