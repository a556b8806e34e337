"""Processes of `tools/bench`: what is missing, wrong or killed is told apart."""

import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools" / "bench"))
import process
import trainer

MODULE = """
import os, signal

def lack():
    import no_such_package.part

def late():
    return lack

def fail():
    raise ValueError("wrong")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def double():
    return lambda number: 2 * number
"""


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "measured.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_measurement_answers_and_says_its_memory():
    running = process.Process("measured:double")
    assert running(21) == 42 and running.close() > 1


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "lack",
            process.MissingPackage,
            "no-such-package is not installed; get it with: pip install -c constraints.txt no-such-package",
        ),
        ("fail", SystemExit, "ValueError: wrong"),
        ("die", SystemExit, "status -9; is memory short?"),
    ],
)
def test_what_is_missing_wrong_or_killed_is_told(name, error, message):
    with pytest.raises(error, match=message):
        process.Process(f"measured:{name}")


def test_what_is_missing_is_told_where_it_is_found_out_late():
    running = process.Process("measured:late")
    with pytest.raises(process.MissingPackage, match="pip install .* no-such-package$"):
        running()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU adds up in another order")
def test_the_trainer_is_measured_beside_a_loop_that_has_the_same_losses():
    found = trainer.rates("cifar10_vqvae", 4)
    assert found["same"] and found["unit"] == "images" and found["items"] == 2
    assert found["rates"].keys() == {"plain", "drawn ahead"} and all(rate > 0 for rate in found["rates"].values())
