"""The scripts of tools/gpu, from their options to their files, with models that are far too small to learn anything."""

import gzip
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
from inspect import signature

import pytest
import soundfile
import torch

from tests.conftest import ROOT, buzz
from tests.vision.code_maps import image_set
from tests.vision.images import image_files
from vqspeech import audio
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.pack import write_pack
from vqspeech.data.units import read_units
from vqspeech.models import checkpoint
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE
from vqspeech.vision.data.images import read_images
from vqspeech.vision.models import Autoencoder
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.models.video import VideoPrior

sys.path.insert(0, str(ROOT / "tools" / "gpu"))
from parts import join_models

SCRIPTS = ROOT / "tools" / "gpu"


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


def test_wavenet_and_a_prior_over_its_codes(run, tmp_path):
    utterances = []
    for speaker, hertz in (("anna", 210), ("bruno", 105)):
        for i in range(3):
            path = tmp_path / f"{speaker}-{i}.wav"
            soundfile.write(path, buzz(0.6, hertz + i), audio.RATE)
            utterances.append(Utterance(f"{speaker}-{i}", speaker, str(path)))
    write_pack(DataDir(utterances), DataDir(), tmp_path / "pack")
    options = ("--pack", tmp_path / "pack", "--out", tmp_path / "out", "--rehearse", "--nj", 1)
    settings = ("training.steps=2", "training.evaluate_batches=1", "encoder.channels=8", "quantizer.codes=16")
    assert run("wavenet", *options, *settings) == 0
    assert VQVAE.from_pretrained(tmp_path / "out" / "model.safetensors").speakers == ["anna", "bruno"]
    assert run("wavenet", *options, "--part", 20_000, *settings) == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert all(path.stat().st_size <= 20_000 for path in files if "safetensors" in path.name), "checkpoints, too"
    longer = [one.replace("steps=2", "steps=3") for one in settings]
    assert run("wavenet", *options, "--part", 20_000, *longer) == 0, "the next sitting resumes from the parts"
    join_models(tmp_path / "out")
    model = tmp_path / "out" / "model.safetensors"
    assert VQVAE.from_pretrained(model).speakers == ["anna", "bruno"]
    assert checkpoint.read(tmp_path / "out" / "exp" / "last.safetensors")[1]["step"] == 3

    over = ("--pack", tmp_path / "pack", "--model", model, "--out", tmp_path / "prior", "--rehearse", "--nj", 1)
    tiny = ("prior.layers=1", "prior.residual=4", "prior.skip=4", "training.length=16", "training.steps=2")
    assert run("prior", *over, "--n", 1, "--seconds", 0.05, "--part", 30_000, *tiny) == 0
    held, learned = (read_units(tmp_path / "prior" / "units" / f"{part}.txt") for part in ("dev", "train"))
    assert list(held.codes) == ["anna-1", "bruno-1"] and len(learned.codes) == 4 and held.size == 16
    rows = json.loads((tmp_path / "prior" / "scores.json").read_text())["sections"]["prior"]["rows"]
    assert "prior, conditioned on the speaker" in [row["row"] for row in rows]
    assert len(list((tmp_path / "prior" / "samples").glob("*.wav"))) == 1
    join_models(tmp_path / "prior")
    assert LatentPrior.from_pretrained(tmp_path / "prior" / "prior.safetensors").speakers == ["anna", "bruno"]
    later = VQVAE.from_pretrained(model)
    with torch.no_grad():
        later.quantizer.weight.add_(1.0)  # pyright: ignore
    later.save_pretrained(model)
    assert run("prior", *over, "--n", 0, *tiny) == 0, "over the codes of a model that has been trained on"
    assert read_units(tmp_path / "prior" / "units" / "dev.txt").sha256 == later.fingerprint() != held.sha256
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


def test_frames_and_video(run, tmp_path):
    """From packed frames to the scores of all four models."""
    pytest.importorskip("skimage")
    for part, seed in (("train", 0), ("dev", 1), ("test", 2)):
        image_set(tmp_path / "data" / part, 60, (3, 16, 16), seed=seed, frames=20)
    assert run("pack_images", "--data", tmp_path / "data", "--out", tmp_path / "frames.tar.xz") == 0
    settings = ("model.dimension=3", "network.channels=6", "network.blocks=1", "quantizer.codes=8")
    settings += ("prior.layers=1", "prior.width=4", "prior.hidden=6", "top.dimension=2", "top.channels=4")
    settings += ("video.past=6", "video.heads=2", "video.layers=1", "video.width=6", "video.hidden=6",
                 "video.dilations=[1]", "training.steps=2")  # fmt: skip
    models = ("--conf", "frames_small", "--prior", "small_prior", "--top", "small_top_prior", "--video",
              "mini_video_prior")  # fmt: skip
    found = tmp_path / "out"
    limits = ("--images", 4, "--clips", 2, "--rehearse", "--part", 50_000)
    assert run("images", "--data", tmp_path / "frames.tar.xz", "--out", found, *models, *limits, *settings) == 0
    longer = [one.replace("steps=2", "steps=4") for one in settings]
    assert run("images", "--data", tmp_path / "frames.tar.xz", "--out", found, *models, *limits, *longer) == 0
    sections = json.loads((found / "frames_small" / "scores.json").read_text())["sections"]
    assert {"bits", "top", "video: bits a code", "video: SSIM"} <= sections.keys()
    assert any("image prior" in row["row"] for row in sections["video: bits a code"]["rows"])
    join_models(found)
    assert list(VideoPrior.from_pretrained(found / "video.safetensors").actions) == ["left", "right"]
    assert TopVQVAE.from_pretrained(found / "top.safetensors").encoder.latents == 3


def test_packed_images_are_a_share_of_each_set_and_whole_episodes(run, tmp_path, capsys):
    for part, count in (("train", 60), ("dev", 20), ("test", 20)):
        image_set(tmp_path / "data" / part, count, (3, 16, 16), seed=count, frames=5)
    out = tmp_path / "some.tar.xz"
    assert run("pack_images", "--data", tmp_path / "data", "--out", out, "--mebibytes", 0.05) == 0
    assert out.stat().st_size <= 0.05 * 2**20
    with tarfile.open(out) as tar:
        tar.extractall(tmp_path / "there", filter="data")
    packed, whole = (read_images(tmp_path / folder / "train") for folder in ("there/data", "data"))
    assert 5 <= len(packed) < 60 and len(packed) % 5 == 0
    places = [list(whole.table.names).index(name) for name in packed.table.names]
    assert (packed.pixels(slice(None)) == whole.pixels(places)).all()
    assert packed.table.episodes is not None and whole.table.episodes is not None
    assert (packed.table.episodes == whole.table.episodes[places]).all() and packed.actions == whole.actions
    assert f"train {len(packed)} of 60" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("pack_images", "--data", tmp_path / "data", "--out", out, "--mebibytes", 0.001)


def test_text(run, tmp_path):
    pytest.importorskip("sacrebleu")
    pytest.importorskip("sentencepiece")
    lines = [f"the {colour} {thing} is number {n}" for colour in ("red", "blue", "green") for thing in
             ("house", "tree", "car", "dog") for n in range(4)]  # fmt: skip
    for part in ("train", "val", "test2016"):
        for side in ("en", "de"):
            with gzip.open(tmp_path / f"multi30k.{part}.{side}.gz", "wt") as file:
                file.write("".join(f"{line if side == 'en' else line[::-1]}\n" for line in lines))
    options = ("--corpus", tmp_path, "--out", tmp_path / "out", "--rehearse", "--timed", 2, "--part", 60_000)
    settings = ("vocabulary.size=320", "model.width=16", "training.steps=2", "training.translate=4")
    assert run("text", *options, *settings) == 0
    assert (tmp_path / "out" / "scores.json").is_file()
    assert list((tmp_path / "out").glob("teacher.safetensors.000")), "in parts"


def test_wheels_are_what_is_needed_besides_torch(run, capsys):
    assert run("wheels", "train", "vision") == 0
    found = dict(line.split("==") for line in capsys.readouterr().out.split())
    assert {"accelerate", "hydra-core", "omegaconf", "safetensors", "soundfile", "scikit-learn", "scikit-image",
            "pillow", "tensorboard"} <= found.keys()  # fmt: skip
    assert not {"torch", "numpy", "vqspeech", "triton", "sympy", "sacrebleu", "pytest"} & found.keys()
    pins = (ROOT / "constraints.txt").read_text()
    assert f"safetensors=={found['safetensors']}" in pins and all(found.values())


def test_every_run_is_a_script_that_can_be_rehearsed_and_leaves_small_files():
    usage = subprocess.run(["bash", SCRIPTS / "run.sh", "--help"], capture_output=True, text=True, check=True).stdout
    runs = {line.split()[0] for line in usage.splitlines() if line.startswith("  ")} - {"wheels"}
    assert runs == {"content", "voice", "live", "wavenet", "prior", "images", "text"}
    for name in runs:
        script = (SCRIPTS / f"{name}.py").read_text()
        assert '"--rehearse"' in script and '"--part"' in script and '"--minutes"' in script, name
    wrong = subprocess.run(["bash", SCRIPTS / "run.sh", "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "no run 'nothing'" in wrong.stderr


def test_packs_are_below_60_megabytes():
    for script in ("pack", "pack_images"):
        [limit] = re.findall(r'"--mebibytes", type=float, default=([\d.]+)', (SCRIPTS / f"{script}.py").read_text())
        assert float(limit) * 2**20 < 60e6, script
    assert signature(write_pack).parameters["mebibytes"].default * 2**20 < 60e6
