"""The scripts of tools/gpu, from their options to their files, with models that are far too small to learn anything."""

import importlib.util
import sys
import tarfile
from pathlib import Path

import pytest
import soundfile

from tests.conftest import buzz
from tests.vision.images import image_files
from vqspeech import audio
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.pack import write_pack
from vqspeech.models.vqvae import VQVAE
from vqspeech.vision.models import Autoencoder

SCRIPTS = Path(__file__).resolve().parents[1] / "tools" / "gpu"


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a script with options and returns its exit status."""

    def run(name: str, *words: object) -> int:
        monkeypatch.syspath_prepend(SCRIPTS)
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        spec = importlib.util.spec_from_file_location(f"gpu_{name}", SCRIPTS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main()

    return run


def test_wavenet(run, tmp_path):
    utterances = []
    for speaker, hertz in (("anna", 210), ("bruno", 105)):
        for i in range(3):
            path = tmp_path / f"{speaker}-{i}.wav"
            soundfile.write(path, buzz(0.6, hertz + i), audio.RATE)
            utterances.append(Utterance(f"{speaker}-{i}", speaker, str(path)))
    write_pack(DataDir(utterances), DataDir(), tmp_path / "pack")
    options = ("--pack", tmp_path / "pack", "--out", tmp_path / "out", "--rehearse", "--nj", 1)
    settings = ("training.steps=2", "training.evaluate_batches=1", "encoder.channels=8")
    assert run("wavenet", *options, *settings) == 0
    assert VQVAE.from_pretrained(tmp_path / "out" / "model.safetensors").speakers == ["anna", "bruno"]
    assert run("wavenet", *options, "--part", 20_000, *settings) == 0
    whole = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").glob("model.safetensors.*")))
    (tmp_path / "joined.safetensors").write_bytes(whole)
    assert VQVAE.from_pretrained(tmp_path / "joined.safetensors").speakers == ["anna", "bruno"]
    with pytest.raises(SystemExit, match="no voice has two utterances"):
        write_pack(DataDir(utterances[:1]), DataDir(), tmp_path / "one")
        run("wavenet", "--pack", tmp_path / "one", *options[2:], *settings)


def test_images(run, tmp_path):
    for seed, part in enumerate(("train", "dev", "test")):
        image_files(tmp_path / "data" / part, 12, seed=seed)
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(tmp_path / "data", "data")
    found = tmp_path / "out"
    for _ in range(2):  # the second time all is there already
        assert run("images", "--data", tmp_path / "data.tar", "--out", found, "--conf", "cifar10_tiny", "--prior",
                   "small_prior", "--images", 4, "--rehearse", "training.steps=2") == 0  # fmt: skip
    assert isinstance(Autoencoder.from_pretrained(found / "cifar10_tiny.safetensors"), Autoencoder)
    assert (found / "prior.safetensors").is_file() and (found / "cifar10_tiny" / "scores.json").is_file()
