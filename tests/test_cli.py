"""The program around its verbs: signals while it loads, readers who leave, names that a terminal cannot show."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vqspeech import console
from vqspeech.cli import BROKEN_PIPE, main
from vqspeech.commands import validate
from vqspeech.errors import FAILED

PROGRAM = """
import os, sys
from vqspeech.cli import main
from vqspeech.commands import validate
def run(args):
{body}
    return 3
validate.run = run
sys.argv[1:] = ["validate", "data"]
sys.exit(main())
"""


def started(body: str, **environment: str) -> subprocess.Popen:
    """The program with another body of `vqspeech validate`, which takes no torch to start."""
    text = PROGRAM.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def test_work_goes_on_where_nobody_reads_on(tmp_path: Path):
    done = tmp_path / "done"
    body = f"for i in range(9999):\n    print(i)\n    print(i, file=sys.stderr)\nopen({str(done)!r}, 'w')"
    program = started(body)
    assert program.stdout and program.stderr
    assert program.stdout.readline() == b"0\n"
    program.stdout.close()
    program.stderr.close()
    assert program.wait(timeout=20) == 3 and done.exists()


def test_a_stream_that_nobody_reads_ends_as_other_tools_do():
    program = started("with open(1, 'wb', closefd=False) as out:\n    while True:\n        out.write(bytes(999))")
    assert program.stdout and program.stderr
    program.stdout.read(1)
    program.stdout.close()
    assert program.stderr.read() == b"" and program.wait(timeout=20) == BROKEN_PIPE == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", b"caf\xe9 \xe4\xb8\xad\n"), ("cp1252", b"caf\xe9 \\u4e2d\n"), ("ascii", None)]
)
def test_any_name_can_be_printed(encoding: str, shown: bytes | None):
    program = started("print('caf\\udce9 \\u4e2d')", PYTHONIOENCODING=encoding)
    out, err = program.communicate(timeout=20)
    assert (out, err) == (shown or b"caf\xe9 \\u4e2d\n", b"")


def test_only_what_cannot_be_encoded_is_changed():
    console.open_standard_streams()  # changes nothing in a test, whose streams are no files
    assert "é\udce9".encode("utf-8", "names") == "é".encode() + b"\xe9"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "names")


@pytest.mark.parametrize("verb", ["convert", "vision"])
def test_an_interrupt_while_torch_loads_is_one_line(verb: str, tmp_path: Path):
    """A package that does what some do, and makes another exception of an interrupt in its middle."""
    (tmp_path / "torch.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(20)\n"
        "except BaseException as error:\n    raise ImportError('torch cannot be loaded') from error\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "vqspeech.cli", verb, "train"], capture_output=True, text=True, timeout=20,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, cwd=tmp_path,
    )  # fmt: skip
    assert (found.returncode, found.stdout, found.stderr) == (130, "", f"vqspeech {verb}: interrupted\n")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), FAILED, "not enough memory; cut it into shorter parts, or use fewer --nj"),
        (RuntimeError("can't allocate memory"), FAILED, "not enough memory"),
        (BrokenPipeError(), BROKEN_PIPE, ""),
    ],
)
def test_what_ends_a_verb_is_one_line(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def run(_):
        raise error

    monkeypatch.setattr(validate, "run", run)
    assert main(["validate", "data"]) == status
    err = capsys.readouterr().err
    assert err.startswith(f"vqspeech validate: {said}" if said else "") and err.count("\n") == bool(said)


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    def run(_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(validate, "run", run)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["validate", "data"])


def test_handlers_of_a_program_that_calls_it_come_back(monkeypatch: pytest.MonkeyPatch):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, within = [signal.getsignal(number) for number in numbers], []
    monkeypatch.setattr(validate, "run", lambda _: within.extend(map(signal.getsignal, numbers)) or 0)
    assert main(["validate", "data"]) == 0
    assert [signal.getsignal(number) for number in numbers] == before and not set(within) & set(before)
