"""Many items, one or two processes: order, bad items named and counted, exit statuses."""

import os
import time
from functools import partial
from pathlib import Path

import pytest

from vqspeech.errors import FAILED, SOME_SKIPPED, AudioError, VqspeechError
from vqspeech.jobs import Skipped, outcomes


def root(number: int) -> int:
    """In reverse order of time taken, so that results come back out of order."""
    time.sleep(0.01 * (number % 3))
    if number == 7:
        raise AudioError("seven is no square")
    return number * number


def broken(number: int) -> int:
    return 1 // number


def killed(number: int) -> int:
    os._exit(9)


def touched(folder: Path, number: int) -> None:
    (folder / str(number)).touch()
    time.sleep(0.01)


@pytest.mark.parametrize("nj", [0, 1, 2])
def test_order_and_errors(nj: int):
    found = list(outcomes(root, list(range(20)), nj))
    assert [item for item, _, _ in found] == list(range(20))
    assert [result for _, result, _ in found] == [None if i == 7 else i * i for i in range(20)]
    assert [str(error) for *_, error in found if error] == ["seven is no square"]


def test_other_exceptions_are_ours_and_go_through():
    with pytest.raises(ZeroDivisionError):
        list(outcomes(broken, [1, 0]))


def test_nothing_to_do():
    assert list(outcomes(root, [], 2)) == []


def test_a_killed_process_is_told():
    with pytest.raises(VqspeechError, match="recordings was killed.*fewer --nj"):
        list(outcomes(killed, [1, 2, 3], 2, "recordings"))


def test_stopping_early_does_not_wait_for_all(tmp_path: Path):
    found = outcomes(partial(touched, tmp_path), list(range(400)), 2)
    next(found)
    found.close()  # pyright: ignore
    assert len(os.listdir(tmp_path)) < 200


def test_exit_statuses(capsys: pytest.CaptureFixture):
    skipped = Skipped()
    assert skipped.status(5) == 0 and skipped.status(0) == 0
    skipped.add("p225_001", AudioError("a.wav: silent"))
    assert capsys.readouterr().err == "skipped p225_001: a.wav: silent\n"
    assert skipped.status(5) == SOME_SKIPPED and skipped.status(0) == FAILED
    assert "5 done, 1 skipped: p225_001\n" in capsys.readouterr().err
    assert skipped.reasons == {"p225_001": "a.wav: silent"}


def test_only_the_first_names_are_repeated(capsys: pytest.CaptureFixture):
    skipped = Skipped({f"u{i}": "" for i in range(1000)})
    skipped.status(1)
    assert capsys.readouterr().err.count("u") < 12
