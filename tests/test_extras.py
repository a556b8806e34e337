"""Packages that are not installed; compiled functions whose machine code on disk is damaged."""

import os
import re
import subprocess
import sys
from importlib import import_module

import pytest

from tests.conftest import ROOT, buzz
from vqspeech import audio, cli, extras
from vqspeech.errors import FAILED

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


MODULES = {"pillow": "PIL", "scikit-learn": "sklearn"}
"""Modules of packages of another name."""
WITHOUT_TRAIN = """
import sys
for name in {names}:
    sys.modules[name] = None
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {names} else find_spec(name, package)
from vqspeech.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run_without_train(*words: str, cwd) -> subprocess.CompletedProcess:
    """A verb where the extra `train` is not installed."""
    program = WITHOUT_TRAIN.format(names=extras.TRAIN)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_the_modules_of_the_extra_are_those_of_its_packages():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [packages] = re.findall(r"^train = \[(.*)\]$", text, re.MULTILINE)
    names = [re.split("[<>=]", name)[0] for name in re.findall('"(.+?)"', packages)]
    assert {MODULES.get(name, name) for name in names} == set(extras.TRAIN)


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--prior", "no.safetensors", "--out", "out"),
        ("score", "trade", "no.json", "--out", "scores.json"),
        ("study", "toy", "--out", "out"),
    ],
)
def test_verbs_that_need_the_extra_say_so_before_they_work(words, tmp_path):
    done = run_without_train(*words, cwd=tmp_path)
    assert done.returncode == FAILED and not any(tmp_path.iterdir())
    assert done.stderr.splitlines() == [
        f"vqspeech {words[0]}: matplotlib is not installed; get it with: pip install 'vqspeech[train]'"
    ]


def test_conversion_and_help_do_without_the_extra(tmp_path):
    audio.write(tmp_path / "a.wav", buzz(1.0, 120))
    done = run_without_train("convert", "--src", "a.wav", "--speaker", "p225", "--out", "b.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(audio.read_waveform(tmp_path / "b.wav")) == 16_000
    for words in (["--help"], ["vision", "--help"], ["text", "--help"]):
        assert run_without_train(*words, cwd=tmp_path).returncode == 0


def test_a_missing_package_is_named(monkeypatch, capsys):
    def draw(_):
        import_module("matplotlib.nothing")

    monkeypatch.setattr("vqspeech.commands.validate.run", draw)
    assert cli.main(["validate", "data"]) == FAILED
    assert "matplotlib is not installed; get it with: pip install 'vqspeech[train]'" in capsys.readouterr().err


def test_a_wavenet_without_numba_ends_the_batch(tmp_path):
    """Every other conversion would need it, too."""
    from tests.models.test_vqvae import model

    model("mini_wavenet").save_pretrained(tmp_path / "wavenet.safetensors")
    for name in "ab":
        audio.write(tmp_path / "src" / f"{name}.wav", buzz(0.2, 120))
    words = ("convert", "--model", "wavenet.safetensors", "--src", "src", "--speaker", "low", "--out", "out")
    done = run_without_train(*words, cwd=tmp_path)
    assert done.returncode == FAILED and not (tmp_path / "out").exists()
    assert done.stderr.splitlines() == [
        "vqspeech convert: numba is not installed; get it with: pip install 'vqspeech[train]'"
    ]
