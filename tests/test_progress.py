"""Progress and messages: the library prints nothing, its caller gets all of it, the command line shows it."""

import io
import logging
import math
import sys
import time

import pytest

from tests.conftest import buzz
from vqspeech import console, progress
from vqspeech.errors import VqspeechError
from vqspeech.jobs import run_jobs
from vqspeech.models.coder import Coder
from vqspeech.progress import Work, report, report_to, track, warn


def seen(monkeypatch, interval: float = 0.0) -> list[tuple[str, int, int, bool]]:
    monkeypatch.setattr(progress, "INTERVAL", interval)
    return []


def collect(told: list) -> progress.Listener:
    return lambda work: told.append((work.what, work.done, work.total, work.finished))


def test_a_listener_gets_start_steps_and_end_of_all_work(monkeypatch):
    told = seen(monkeypatch)
    with report_to(collect(told)):
        assert list(track("ab", "letters", "letter")) == ["a", "b"]
    assert told == [
        ("letters", 0, 2, False),
        ("letters", 1, 2, False),
        ("letters", 2, 2, False),
        ("letters", 2, 2, True),
    ]
    assert list(track("ab", "letters")) == ["a", "b"] and len(told) == 4, "nobody listens outside the block"


def test_steps_in_quick_succession_are_reported_once(monkeypatch):
    told = seen(monkeypatch, 60.0)
    with report_to(collect(told)):
        assert sum(track(range(1000), "sums")) == 499_500
    assert told == [("sums", 0, 1000, False), ("sums", 1000, 1000, True)]


def test_work_that_is_left_early_ends(monkeypatch):
    told = seen(monkeypatch)
    with report_to(collect(told)), pytest.raises(ZeroDivisionError):
        for i in track([1, 0, 1], "quotients"):
            assert 1 / i
    assert told[-1] == ("quotients", 1, 3, True)


def test_what_is_left(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    work = Work("steps", 10, done=4)
    assert work.share == 0.4 and work.seconds_left == math.inf
    clock[0] += 3.0
    work.update(2)
    assert work.seconds_left == pytest.approx(6.0), "steps of an earlier session took no time of this one"
    assert Work("nothing", 0).share == 1


def test_jobs_and_models_report_their_progress(monkeypatch):
    told = seen(monkeypatch)
    with report_to(collect(told)):
        list(run_jobs(str, [1, 2, 3], what="numbers"))
        Coder.from_pretrained("units-small").encode(buzz(1.0, 120))
    assert ("numbers", 3, 3, True) in told and ("encoding", 1, 1, True) in told


def test_the_library_prints_nothing(capsys, caplog):
    with caplog.at_level(logging.INFO, "vqspeech"):
        report("about 100 % done")
        warn("too loud")
        list(track([1, 2], "items"))
    assert capsys.readouterr() == ("", "")
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "about 100 % done"),
        ("WARNING", "too loud"),
    ]


def test_messages_are_shown_once_beside_a_handler_of_the_root_logger(capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler()])
    with console.show_progress():
        report("about 100 % done")
    assert capsys.readouterr().err == "about 100 % done\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("quiet", "expected"), [(False, "fine\nbad\n"), (True, "bad\n")])
def test_messages_are_shown_on_standard_error(quiet, expected, capsys):
    with console.show_progress(quiet):
        report("fine")
        warn("bad")
    report("after")
    assert capsys.readouterr() == ("", expected)


def show(monkeypatch, stream: io.StringIO, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with console.show_progress(quiet), Work("train", 3, "step") as work:
        for _ in range(2):
            time.sleep(0.12)
            work.note = "loss 2.5"
            work.update()
    return stream.getvalue()


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch):
    monkeypatch.setattr(console, "PATIENCE", 0.01)
    shown = show(monkeypatch, Terminal())
    assert "train:" in shown and "2/3" in shown and "<00:0" in shown and "loss 2.5" in shown
    assert show(monkeypatch, Terminal(), quiet=True) == ""


def test_short_work_gets_no_bar(monkeypatch):
    assert "train" not in show(monkeypatch, Terminal())


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(console, "LOG_EVERY", 0.2)
    assert show(monkeypatch, io.StringIO()) == "train: 2 of 3 step, 0:00 min left, loss 2.5\n"
    monkeypatch.setattr(console, "LOG_EVERY", 30.0)
    assert show(monkeypatch, io.StringIO()) == ""


def test_an_error_leaves_no_bar_behind(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(VqspeechError), console.show_progress():
        Work("lost", 3)
        raise VqspeechError("no")
    assert not progress.LOGGER.handlers[1:], "the handler of the command line is gone as well"
