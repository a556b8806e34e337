"""What importing costs: heavy packages are imported by the functions that use them, not with the toolkit."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import vqspeech

HEAVY = {
    "librosa", "numba", "sklearn", "matplotlib", "torchaudio", "scipy", "pandas", "pyworld", "textgrid", "jiwer",
    "pocketsphinx", "triton",
}  # fmt: skip
ROOT = Path(vqspeech.__file__).parents[1]


def imported(statement: str, cwd: Path = ROOT) -> set[str]:
    """Top-level packages that a fresh interpreter has after a statement."""
    program = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=cwd)
    return set(found.stdout.splitlines()[-1].split())


def test_the_package_alone_is_light():
    assert not imported("import vqspeech") & (HEAVY | {"torch", "numpy", "soundfile", "hydra"})


@pytest.mark.parametrize("module", ["vqspeech.training.trainer", "vqspeech.cli, vqspeech.commands.convert"])
def test_training_and_inference_need_nothing_heavy(module: str):
    found = imported(f"import {module}")
    assert "torch" in found and not found & HEAVY


def test_commands_on_data_need_no_torch():
    found = imported("from vqspeech.cli import main; main(['validate', 'nowhere'])")
    assert not found & (HEAVY | {"torch", "hydra", "accelerate"})


def test_version():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{vqspeech.__version__}"\n' in text
    try:
        assert version("vqspeech") == vqspeech.__version__
    except ModuleNotFoundError:
        pytest.skip("not installed")
