"""Engines of shards: each makes all of them, names those that fail, and survives the loss of processes and nodes."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.clusters import CLUSTERS, load_cluster
from vqspeech.errors import FAILED, SOME_SKIPPED, AudioError, ConfigError, MissingExtra
from vqspeech.signals import keep_handlers

SETTINGS = {"local": {}, "slurm": {"executor": "local"}, "ray": {}}


def make(folder: Path, deadly: int, nj: int, number: int) -> None:
    """Note that a shard was begun; `deadly` kills its process the first time, 9 is broken for ever."""
    with open(folder / str(number), "a") as file:
        file.write("x")
    if number == deadly and (folder / str(number)).stat().st_size == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 9:
        raise AudioError("nine is broken")


def wait_for_two(folder: Path) -> None:
    """Wait until two processes have begun a shard; for two minutes at most."""
    limit = time.monotonic() + 120
    while len({path.name.split("-")[2] for path in folder.glob("begun-*")}) < 2 and time.monotonic() < limit:
        time.sleep(0.05)


def make_slowly(folder: Path, nj: int, number: int) -> None:
    (folder / f"begun-{number}-{os.getpid()}").touch()
    wait_for_two(folder)
    time.sleep(0.5)
    (folder / str(number)).touch()


@pytest.fixture
def two_nodes():
    """A cluster of two nodes that Ray starts on this machine; the second can be lost."""
    ray = pytest.importorskip("ray")
    with keep_handlers():
        cluster = pytest.importorskip("ray.cluster_utils").Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        second = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    yield partial(cluster.remove_node, second, allow_graceful=False)
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.parametrize("name", CLUSTERS)
def test_all_shards_are_made_and_failures_named(name: str, tmp_path: Path):
    if name == "slurm":
        pytest.importorskip("submitit")
    if name == "ray":
        pytest.importorskip("ray")
    folder = tmp_path / "done"
    folder.mkdir()
    cluster = load_cluster(name, SETTINGS[name])
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    failed = dict(cluster.run(partial(make, folder, 3), [1, 2, 3, 9], 2, tmp_path / "logs"))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert list(failed) == [9] and "nine is broken" in failed[9]
    assert sorted(os.listdir(folder)) == ["1", "2", "3", "9"]
    assert (folder / "3").stat().st_size == 2, "begun once more after its process was killed"


def test_slurm_in_this_process(tmp_path: Path):
    pytest.importorskip("submitit")
    cluster = load_cluster("slurm", {"executor": "debug", "minutes": "5"})
    failed = dict(cluster.run(partial(make, tmp_path, 0), [1, 9], 1, tmp_path / "logs"))
    assert list(failed) == [9] and {"1", "9"} <= set(os.listdir(tmp_path))


def test_slurm_jobs_that_are_stopped_are_submitted_again():
    submitit = pytest.importorskip("submitit")
    from vqspeech.clusters.slurm import _Call

    call = _Call(partial(make, Path("x"), 0), 4)
    again = call.checkpoint(7)
    assert isinstance(again, submitit.helpers.DelayedSubmission) and again.function is call and again.args == (7,)


def test_ray_survives_the_loss_of_a_node(tmp_path: Path, two_nodes):
    folder = tmp_path / "done"
    folder.mkdir()
    from threading import Thread

    def lose() -> None:
        wait_for_two(folder)
        two_nodes()

    thread = Thread(target=lose)
    thread.start()
    cluster = load_cluster("ray", {})
    assert dict(cluster.run(partial(make_slowly, folder), list(range(8)), 1, tmp_path)) == {}
    thread.join()
    done = {path.name for path in folder.iterdir() if path.name.isdigit()}
    assert done == {str(number) for number in range(8)}
    assert len({path.name.split("-")[2] for path in folder.glob("begun-*")}) > 1, "both nodes had worked"


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_verbs_by_engines(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture):
    if name == "slurm":
        pytest.importorskip("submitit")
    monkeypatch.chdir(tmp_path)
    for i in range(4):
        audio.write(Path("corpus", "s", f"{i}.wav"), buzz(0.3, 120, i))
    Path("corpus/s/bad.wav").write_bytes(b"RIFF no sound")
    options = ["--cluster", name, *(["--cluster-option", "executor=local"] if name == "slurm" else []), "--nj", "2"]
    words = ["prepare", "folder", "--corpus", "corpus"]
    assert main([*words, "--out", "data", "--shards", "3", *options]) == SOME_SKIPPED
    assert "4 of 5 utterances" in capfd.readouterr().out
    assert main([*words, "--out", "whole"]) == SOME_SKIPPED
    assert Path("data/wav.scp").read_bytes() == Path("whole/wav.scp").read_bytes()


def test_settings_are_checked(capsys: pytest.CaptureFixture, tmp_path: Path):
    for name, settings, message in (
        ("local", {"x": "1"}, "local has no settings"),
        ("slurm", {"x": "1"}, "slurm has partition, account, minutes"),
        ("slurm", {"minutes": "many"}, "give a number"),
        ("slurm", {"executor": "pbs"}, "give one of slurm, local, debug"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_cluster(name, settings)
    words = ["dump", "data", "--out", str(tmp_path / "o"), "--shards", "2", "--cluster-option", "partition"]
    assert main(words) == FAILED and "give KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_missing_packages_are_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(__import__("sys").modules, {"slurm": "submitit", "ray": "ray"}[name], None)
    with pytest.raises(MissingExtra, match=rf"vqspeech\[{name}\]"):
        list(load_cluster(name, {}).run(partial(make, tmp_path, 0), [1], 1, tmp_path))
