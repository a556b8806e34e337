"""Many items, one or two processes: order, bad items named and counted, exit statuses."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vqspeech.errors import FAILED, SOME_SKIPPED, AudioError, MissingExtra, VqspeechError
from vqspeech.jobs import Skipped, run_jobs


def root(number: int) -> int:
    """In reverse order of time taken, so that results come back out of order."""
    time.sleep(0.01 * (number % 3))
    if number == 7:
        raise AudioError("seven is no square")
    return number * number


def broken(number: int) -> int:
    if number == -1:
        raise MemoryError
    if number == -2:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")
    if number == -3:
        raise MissingExtra("jiwer", "eval")
    return 1 // number


def full(number: int) -> int:
    if number == 2:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return number


def deadly(folder: Path, number: int) -> int:
    """3 kills its process each time, 5 the first time only."""
    first = not (folder / str(number)).exists()
    (folder / str(number)).touch()
    if number == 3 or (number == 5 and first):
        os._exit(9)
    return number


def wait_until(true: Callable[[], bool]) -> None:
    """Waits some seconds for what will soon be true."""
    for _ in range(1000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true")


def killed(number: int) -> int:
    os._exit(9)


def touched(folder: Path, number: int) -> None:
    (folder / str(number)).touch()
    time.sleep(0.01)


@pytest.mark.parametrize("nj", [0, 1, 2])
def test_order_and_errors(nj: int):
    found = list(run_jobs(root, list(range(20)), nj))
    assert [item for item, _, _ in found] == list(range(20))
    assert [result for _, result, _ in found] == [None if i == 7 else i * i for i in range(20)]
    assert [str(error) for *_, error in found if error] == ["seven is no square"]


@pytest.mark.parametrize("nj", [1, 2])
def test_unexpected_exceptions_and_short_memory_cost_one_item(nj: int):
    found = list(run_jobs(broken, [1, 0, -1, -2, -3, 2], nj))
    assert [result for _, result, _ in found] == [1, None, None, None, None, 0]
    defect, *memory, package = [str(error) for *_, error in found if error]
    assert re.match(r"ZeroDivisionError: .* at test_jobs.py:\d+; a defect of vqspeech", defect)
    assert all("not enough memory" in message for message in memory)
    assert "jiwer is not installed" in package, "made of two arguments, it comes back from another process"


@pytest.mark.parametrize("nj", [1, 2])
def test_a_full_disk_ends_the_batch(nj: int):
    with pytest.raises(OSError, match="No space left"):
        list(run_jobs(full, [1, 2, 3], nj))


def test_nothing_to_do():
    assert list(run_jobs(root, [], 2)) == []


def test_a_killed_process_is_told():
    with pytest.raises(VqspeechError, match="recordings was killed.*fewer --nj"):
        list(run_jobs(killed, [1, 2, 3], 2, "recordings"))


def test_an_item_that_kills_its_process_is_named_and_the_rest_goes_on(tmp_path: Path):
    found = list(run_jobs(partial(deadly, tmp_path), list(range(8)), 2))
    assert [result for _, result, _ in found] == [0, 1, 2, None, 4, 5, 6, 7]
    assert "was killed by it; is memory short" in str(found[3][2])


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(number: int, tmp_path: Path):
    program = """
import os, pathlib, sys, time
def asleep(folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(60)
if __name__ == "__main__":
    from vqspeech.cli import main
    from vqspeech.commands import validate
    from vqspeech.jobs import run_jobs
    validate.run = lambda _: list(run_jobs(asleep, [sys.argv[1]] * 2, 2))
    sys.exit(main(["validate", "data"]))
"""
    script = tmp_path / "script.py"
    script.write_text(program)
    folder = tmp_path / "workers"
    folder.mkdir()
    started = subprocess.Popen(
        [sys.executable, script, folder], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: len(os.listdir(folder)) == 2)
    if number == signal.SIGINT:  # as a terminal does it
        os.killpg(started.pid, number)
    else:
        started.send_signal(number)
    said = started.communicate(timeout=10)[1].decode()
    assert started.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    if number != signal.SIGKILL:
        told = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        assert said.splitlines()[-1] == f"vqspeech validate: {told}" and "Traceback" not in said
    wait_until(lambda: not any(Path("/proc", pid).exists() for pid in os.listdir(folder)))


def test_stopping_early_does_not_wait_for_all(tmp_path: Path):
    found = run_jobs(partial(touched, tmp_path), list(range(400)), 2)
    next(found)
    found.close()  # pyright: ignore
    assert len(os.listdir(tmp_path)) < 200


def test_exit_statuses(messages):
    skipped = Skipped()
    assert skipped.status(5) == 0 and skipped.status(0) == 0
    skipped.add("p225_001", AudioError("a.wav: silent"))
    assert messages() == "skipped p225_001: a.wav: silent\n"
    assert skipped.status(5) == SOME_SKIPPED and skipped.status(0) == FAILED
    assert "5 done, 1 skipped: p225_001\n" in messages()
    assert skipped.reasons == {"p225_001": "a.wav: silent"}


def test_only_the_first_names_are_repeated(messages):
    skipped = Skipped({f"u{i}": "" for i in range(1000)})
    skipped.status(1)
    assert messages().count("u") < 12
