"""`vqspeech vision`, verb by verb as the recipe calls them, on a few small images."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.test_imports import HEAVY, imported
from tests.vision.images import blobs
from vqspeech.cli import VISION_VERBS, main
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.data.images import read_images

TINY = [
    "network.channels=8", "network.blocks=1", "network.halvings=3", "likelihood.mixtures=2", "training.batch=8",
    "training.steps=12", "training.warmup=2", "training.evaluate_every=6", "training.evaluate_batches=1",
    "training.precision=fp32",
]  # fmt: skip
KINDS = {
    "cifar10_vqvae_small": ["model.latents=1", "model.dimension=4", "quantizer.codes=4"],
    "cifar10_vae_small": ["model.latents=1"],
    "cifar10_vimco_small": ["model.latents=1", "model.dimension=4", "model.codes=4", "model.samples=2"],
}


def vision(*words):
    return main(["vision", *map(str, words)])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vision")
    np.savez(folder / "i.npz", images=blobs(120, 16).transpose(0, 2, 3, 1), labels=np.arange(120) % 3)
    assert vision("prepare", "npz", "--data", folder / "i.npz", "--out", folder / "data") == 0
    assert vision("validate", *(folder / "data" / part for part in ("train", "dev", "test"))) == 0
    train, dev = ("--train", folder / "data" / "train"), ("--dev", folder / "data" / "dev")
    for name, overrides in KINDS.items():
        out = folder / "exp" / name
        assert vision("train", "--conf", name, *train, *dev, "--out", out, *TINY, *overrides) == 0
    return folder


def test_scores_and_pictures(experiment, capsys):
    data, exp = experiment / "data", experiment / "exp"
    for name in KINDS:
        out = ("--out", exp / name / "scores.json")
        assert vision("score", "bits", exp / name, "--data", data / "test", "--limit", 6, *out) == 0
        train = ("--train", data / "train")
        assert vision("score", "reconstructions", exp / name, "--data", data / "test", *train, *out) == 0
        picture = exp / name / "pictures" / "reconstructions.png"
        assert (
            vision("reconstruct", "--model", exp / name, "--data", data / "test", "--limit", 4, "--out", picture) == 0
        )
        assert vision("draw", exp / name) == 0
        assert picture.stat().st_size > 100 and (picture.parent / "curves.png").stat().st_size > 1000
    sections = json.loads((exp / "cifar10_vqvae_small" / "scores.json").read_text())["sections"]
    [row] = sections["bits"]["rows"]
    assert row["of it codes"] == pytest.approx(4 * 2 / 768)
    assert row["bits/dimension, at most"]["value"] == pytest.approx(row["of it codes"] + row["of it pixels"]["value"])
    assert row["bits/dimension, at most"]["n"] == 6
    notes = " ".join(sections["bits"]["notes"])
    assert "mixture of 2 discretised logistics" in notes and "2x2x1 latents of 4 codes, one codebook" in notes
    made, mean = sections["reconstructions"]["rows"]
    assert mean["row"] == "the mean training image for all" and made["SSIM"]["n"] == mean["SSIM"]["n"]

    sections = json.loads((exp / "cifar10_vimco_small" / "scores.json").read_text())["sections"]
    assert sections["bits"]["rows"][0]["row"] == "vimco, bound of 50 samples, uniform prior", "as in the paper"
    assert "trained by the bound of 2 samples" in sections["bits"]["notes"]

    names = [exp / name for name in KINDS]
    assert vision("score", "steps", *names, "--out", exp / "comparison" / "scores.json") == 0
    section = json.loads((exp / "comparison" / "scores.json").read_text())["sections"]["steps"]
    rows = section["rows"]
    assert "the models were not tuned alike, so that their order is no finding" in section["notes"]
    curve = [json.loads(line) for line in (exp / "cifar10_vae_small" / "curves.jsonl").read_text().splitlines()]
    whole = json.loads((exp / "cifar10_vae_small" / "scores.json").read_text())["sections"]["bits"]["rows"][0]
    wanted = {"step 6": curve[0]["bits"], "step 12": curve[1]["bits"], "test images": whole["bits/dimension, at most"]}
    assert rows[1] == {"row": "cifar10_vae_small"} | wanted

    out = ("--out", exp / "cifar10_vqvae_small" / "scores.json")
    assert vision("score", "approximation", exp / "cifar10_vqvae_small", "--data", data / "test", *out) == 0
    sections = json.loads((exp / "cifar10_vqvae_small" / "scores.json").read_text())["sections"]
    rows = {row["row"]: row["above the exact"]["value"] for row in sections["approximation"]["rows"]}
    assert rows["exact, the sum over all codes"] == 0 and rows["log p(x|z_q) p(z_q)"] > 0
    assert abs(rows["importance sampling, 100 samples"]) < 0.01
    assert "256 maps of codes" in sections["approximation"]["notes"][0]
    assert main(["results", *map(str, names), "--draft", "--out", str(experiment / "RESULTS.md")]) == 0
    assert "reconstructions.png" in (experiment / "RESULTS.md").read_text()
    capsys.readouterr()
    assert vision("score", "approximation", exp / "cifar10_vae_small", "--data", data / "test", *out) == 1
    assert "vae has no codes" in capsys.readouterr().err


def test_encoding(experiment):
    for part in ("train", "test"):
        words = ("--data", experiment / "data" / part, "--out", experiment / "codes" / part, "--batch", 7)
        assert vision("encode", "--model", experiment / "exp" / "cifar10_vqvae_small", *words) == 0
    codes = read_codes(experiment / "codes" / "test")
    assert codes.codes.shape[1:] == (2, 2) and codes.size == 4 and codes.classes == ["0", "1", "2"]


def test_samples_beside_the_nearest(experiment, capsys):
    data = experiment / "data"
    copies = read_images(data / "train").pixels([0, 3]).transpose(0, 2, 3, 1)
    words = ("--train", data / "train", "--data", data / "test", "--picture", experiment / "near.png")
    out = ("--out", experiment / "near.json")
    np.savez(experiment / "s.npz", images=copies)
    assert vision("score", "samples", "--samples", experiment / "s.npz", *words, *out) == 0
    rows = json.loads((experiment / "near.json").read_text())["sections"]["samples"]["rows"]
    assert rows[0]["least"] == 0 and rows[1]["least"] > 0, "a copy shows"
    many = np.repeat(np.arange(33, dtype=np.uint8), 16 * 16 * 3).reshape(33, 16, 16, 3)
    np.savez(experiment / "s.npz", images=many)
    assert vision("score", "samples", "--samples", experiment / "s.npz", *words, *out, "--scale", 1) == 0
    with Image.open(experiment / "near.png") as file:
        pixels = np.asarray(file)[..., 0]
    # The sheet is what is left of the picture behind its labels and above its edge.
    [corner, *_] = [at for at in np.argwhere(pixels == 0) if not pixels[at[0] : at[0] + 16, at[1] : at[1] + 16].any()]
    shown = pixels[corner[0] :: 36, corner[1] :: 18][:2, :8]
    spread = [0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 32]
    assert shown.flatten().tolist() == spread, "of all samples, each above its nearest"
    np.savez(experiment / "s.npz", images=copies[:, :4])
    assert vision("score", "samples", "--samples", experiment / "s.npz", *words, *out) == 1
    np.savez(experiment / "s.npz", other=copies)
    assert vision("score", "samples", "--samples", experiment / "s.npz", *words, *out) == 1
    assert "make them with: vqspeech vision sample" in capsys.readouterr().err


def test_the_command_line_is_light_and_tells_its_verbs(capsys):
    with pytest.raises(SystemExit):
        main(["vision", "--help"])
    said = capsys.readouterr().out
    assert all(verb in said for verb in VISION_VERBS)
    found = imported("from vqspeech.cli import main; main(['vision', 'validate', 'nowhere'])")
    assert not found & (HEAVY | {"torch", "hydra", "accelerate", "PIL", "skimage"})
    found = imported("import vqspeech.vision.commands.train, vqspeech.vision.commands.score")
    assert "torch" in found and not found & (HEAVY | {"PIL", "skimage", "vizdoom"})
    found = imported("import sys, vqspeech.commands.train, vqspeech.commands.convert; "
                     "assert not any(name.startswith('vqspeech.vision') for name in sys.modules)")  # fmt: skip
    assert found, "speech imports nothing of vision"
