"""Devices by name."""

import os
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT, buzz
from tests.models.test_vqvae import model
from vqspeech import VQVAE, audio
from vqspeech.cli import main
from vqspeech.commands.encode import _load_coder
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.models.coder import Coder


def test_a_device_by_name_or_as_it_is():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device(None).type in ("cpu", "cuda", "mps", "xpu")


@pytest.mark.parametrize("name", ["nowhere", "cuda:99", "meta", "cpu:x", 99, torch.device("cuda:99"), 1.5, "mps:7"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(ConfigError, match=r"no device .*; there is cpu"):
        resolve_device(name)


@pytest.mark.parametrize("kind", [VQVAE, Coder])
def test_models_are_read_to_a_device(kind, tmp_path):
    made = model()
    made.save_pretrained(tmp_path / "best.safetensors")
    for where in ("cpu", torch.device("cpu")):
        assert kind.from_pretrained(tmp_path, device=where).fingerprint() == made.fingerprint()
    with pytest.raises(ConfigError, match="no device 'cuda:99'"):
        kind.from_pretrained(tmp_path, device="cuda:99")


LENGTHS = """
import hashlib, os, sys
import torch
from vqspeech.devices import limit_kernel_cache

def read_memory():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

if sys.argv[1] == "limited":
    limit_kernel_cache()
torch.set_num_threads(1)
torch.manual_seed(0)
layers = [torch.nn.Conv1d(64, 64, 5, padding=2) for _ in range(3)]
digest = hashlib.sha256()
with torch.inference_mode():
    for length in range(100, 900):
        if length == 120:
            before = read_memory()
        x = torch.full((1, 64, length), 0.1)
        for layer in layers:
            x = layer(x).relu()
        digest.update(x.numpy().tobytes())
print(read_memory() - before, digest.hexdigest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_lengths_and_results_are_the_same():
    """Measured: 30 MB instead of 105."""

    def run(kind: str) -> tuple[float, str]:
        environment = {name: value for name, value in os.environ.items() if "PRIMITIVE_CACHE" not in name}
        environment["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-c", LENGTHS, kind]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        return float(found[0]), found[1]

    (limited, same), (unlimited, whole) = run("limited"), run("all")
    assert same == whole
    if unlimited < 30:
        pytest.skip(f"this processor's kernels are small: {unlimited:.0f} MB")
    assert limited < unlimited / 2


def test_verbs_that_process_recordings_limit_the_kernels_they_keep(monkeypatch: pytest.MonkeyPatch, tmp_path):
    model().save_pretrained(tmp_path / "best.safetensors")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    audio.write(tmp_path / "a.wav", buzz(0.3, 120))
    words = ["--model", str(tmp_path), "--src", str(tmp_path / "a.wav")]
    voice = ("--speaker", model().speakers[0])
    for verb, out, *more in (("encode", "units"), ("reconstruct", "b", *voice)):
        assert main([verb, *words, *more, "--out", str(tmp_path / out)]) == 0
        assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7", "what the user has set stays"
    for verb, out, *more in (("encode", "other"), ("reconstruct", "c", *voice)):
        _load_coder.cache_clear()
        monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
        assert main([verb, *words, *more, "--out", str(tmp_path / out)]) == 0
        assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "64"
