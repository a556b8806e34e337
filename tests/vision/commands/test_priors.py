"""From images to samples by the command line: train, encode, prior, sample, score; what is refused."""

import json
import shutil

import numpy as np
import pytest

from tests.vision.code_maps import image_set
from vqspeech.cli import main
from vqspeech.metrics.measures.codebook import perplexity
from vqspeech.vision.commands import score_prior
from vqspeech.vision.commands.score_bits import BITS
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.data.images import read_images as image_sets
from vqspeech.vision.metrics.measures.unigram import unigram_bits
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import ImagePrior
from vqspeech.vision.models.top import TopVQVAE

MODEL = [
    "network.channels=6", "network.blocks=1", "model.dimension=3", "quantizer.codes=8", "training.steps=2",
    "training.evaluate_every=2", "training.evaluate_batches=1", "training.batch=4", "training.precision=fp32",
]  # fmt: skip
PRIOR = [
    "training.steps=2", "training.evaluate_every=2", "training.evaluate_batches=1", "training.batch=4",
    "training.precision=fp32", "prior.layers=1", "prior.width=4", "prior.hidden=6",
]  # fmt: skip
TOP = ["top.dimension=2", "top.channels=4", "quantizer.codes=4"]


def vision(*words) -> int:
    return main(["vision", *map(str, words)])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with two sets of frames of 16x16, a tiny VQ-VAE, their codes, a prior and a second VQ-VAE."""
    at = tmp_path_factory.mktemp("priors")
    for part, n in (("train", 24), ("test", 12)):
        image_set(at / part, n, (3, 16, 16), seed=n, frames=4)
    train = ("--train", at / "train", "--dev", at / "test")
    assert vision("train", "--conf", "frames_small", *train, "--out", at / "exp", *MODEL) == 0
    for part in ("train", "test"):
        assert vision("encode", "--model", at / "exp", "--data", at / part, "--out", at / "codes" / part) == 0
    codes = ("--codes", at / "codes" / "train", "--dev", at / "codes" / "test")
    assert vision("prior", "--conf", "small_prior", *codes, "--out", at / "prior", *PRIOR) == 0
    assert vision("prior", "--conf", "small_top_prior", *codes, "--out", at / "top", *PRIOR, *TOP) == 0
    return at


def test_samples_of_classes(root, tmp_path, capsys):
    command = ("sample", "--model", root / "exp", "--prior", root / "prior", "--n", 2, "--class", "all", "--seed", 3)
    assert vision(*command, "--out", tmp_path / "a") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a" / "samples.png")
    with np.load(tmp_path / "a" / "samples.npz") as file:
        found = {key: file[key] for key in file}
    assert found["images"].shape == (4, 16, 16, 3) and found["images"].dtype == np.uint8
    assert found["codes"].shape == (4, 4, 4) and found["labels"].tolist() == [0, 0, 1, 1]
    assert vision(*command, "--out", tmp_path / "b") == 0
    with np.load(tmp_path / "b" / "samples.npz") as file:
        assert all((file[key] == found[key]).all() for key in found), "a seed gives the same samples"


def test_bits_of_a_prior_are_scored(root, tmp_path):
    out = tmp_path / "scores.json"
    codes = ("--codes", root / "codes" / "test", "--train", root / "codes" / "train")
    assert vision("score", "prior", "--prior", root / "prior", *codes, "--out", out) == 0
    section = json.loads(out.read_text())["sections"]["prior"]
    rows = {row["row"]: row for row in section["rows"]}
    assert rows["uniform"]["bits/code, held out"]["value"] == 3 and rows["uniform"]["bits/image, held out"]["n"] == 12
    assert "intervals redraw 3 episodes" in section["notes"][0] and {"prior", "unigram", "unigram of each place"} < set(
        rows
    )


def test_the_strength_of_a_unigram_is_that_chosen_on_dev(root, tmp_path, monkeypatch):
    chosen, out = [], tmp_path / "scores.json"
    parts = {part: read_codes(root / "codes" / part) for part in ("train", "test")}

    def choose(train, dev):
        chosen.append([None if one is None else one.path for one in (train, dev)])
        return 3.5

    monkeypatch.setattr(score_prior.evaluation, "choose_strength", choose)
    codes = ("--codes", root / "codes" / "test", "--train", root / "codes" / "train")
    for dev in ((), ("--dev", root / "codes" / "test")):
        assert vision("score", "prior", "--prior", root / "prior", *codes, *dev, "--out", out) == 0
    assert chosen == [[parts["train"].path, None], [parts["train"].path, parts["test"].path]]
    section = json.loads(out.read_text())["sections"]["prior"]
    [row] = [row for row in section["rows"] if row["row"] == "unigram of each place"]
    held, counted = (np.asarray(parts[part].codes) for part in ("test", "train"))
    wanted = unigram_bits(held, counted, parts["train"].size, 3.5).mean()
    assert row["bits/code, held out"]["value"] == pytest.approx(wanted)
    [note] = [note for note in section["notes"] if "filled up with 3.5 codes" in note]
    assert note.endswith(f"on {root / 'codes' / 'test'}")


def test_bits_a_dimension_with_the_learned_prior(root, tmp_path):
    exp, out = tmp_path / "exp", tmp_path / "exp" / "scores.json"
    shutil.copytree(root / "exp", exp)
    words = ("--data", root / "test", "--prior", root / "prior", "--out", out, "--limit", 7)
    assert vision("score", "bits", exp, *words) == 0
    section = json.loads(out.read_text())["sections"]["bits"]
    uniform, learned = section["rows"]
    images = ImageBatches(image_sets(root / "test")).even(7).images
    model, prior = CodeModel.from_pretrained(exp), ImagePrior.from_pretrained(root / "prior")
    codes = model.encode(images)
    pixels = -model.log_likelihood(images, codes).double().numpy() / np.log(2)
    latents = prior.bits(codes.numpy(), np.zeros(7, np.int64)).sum((1, 2))
    for row, bits in ((uniform, np.full(7, 3.0 * 16)), (learned, latents)):
        for column, wanted in ((BITS, pixels + bits), ("of it codes", bits), ("of it pixels", pixels)):
            cell = row[column]["value"] if isinstance(row[column], dict) else row[column]
            assert cell == pytest.approx(wanted.mean() / 768, rel=1e-5), (row["row"], column)
    assert learned["row"] == "vqvae, log p(x|z_q) p(z_q), learned prior" and learned[BITS]["n"] == 7
    assert f"learned prior: {root / 'prior'}, step 2, not told the class" in section["notes"]

    assert vision("score", "steps", exp, root / "exp", "--out", tmp_path / "steps.json") == 0
    rows = json.loads((tmp_path / "steps.json").read_text())["sections"]["steps"]["rows"]
    assert [row["row"] for row in rows] == ["exp", "exp, learned prior", "exp"]
    assert [row.get("test images") for row in rows] == [uniform[BITS], learned[BITS], None]


def test_a_prior_is_for_the_codes_of_a_vqvae(root, tmp_path, capsys):
    train = ("--train", root / "train", "--dev", root / "test")
    words = [*MODEL[:2], *MODEL[4:]]
    assert vision("train", "--conf", "cifar10_vae_small", *train, "--out", tmp_path, *words) == 0
    score = (
        "score",
        "bits",
        tmp_path,
        "--data",
        root / "test",
        "--prior",
        root / "prior",
        "--out",
        tmp_path / "s.json",
    )
    assert vision(*score) == 1
    assert "it is for the codes of a VQ-VAE" in capsys.readouterr().err and not (tmp_path / "s.json").exists()


def test_the_latents_of_a_second_model_are_scored(root, tmp_path):
    out, picture = tmp_path / "scores.json", tmp_path / "top.png"
    data = ("--codes", root / "codes" / "test", "--data", root / "test", "--picture", picture, "--out", out)
    assert vision("score", "top", "--top", root / "top", "--model", root / "exp", *data) == 0
    section = json.loads(out.read_text())["sections"]["top"]
    rows = {row["row"]: row for row in section["rows"]}
    assert rows["given its own latents"]["more than with its own"]["value"] == 0
    found = TopVQVAE.from_pretrained(root / "top").encode(np.asarray(read_codes(root / "codes" / "test").codes))
    counts = [np.bincount(one, minlength=4) for one in found.T]
    told = ", ".join(f"{perplexity(one):.0f}" for one in counts)
    used = ", ".join(str(np.count_nonzero(one)) for one in counts)
    assert len(counts) == 3
    assert f"by latent: perplexity {told}, {used} of 4 codes used; a codebook for each" in section["notes"]
    assert len(rows) == 6 and rows["given no latents"]["bits/image"]["value"] > 0 and picture.is_file()


def test_codes_of_another_model_are_refused(root, tmp_path, capsys):
    train = ("--train", root / "train", "--dev", root / "test")
    assert vision("train", "--conf", "frames_small", *train, "--out", tmp_path, *MODEL, "training.seed=1") == 0
    assert vision("encode", "--model", tmp_path, "--data", root / "test", "--out", tmp_path / "codes") == 0
    capsys.readouterr()
    score = ("score", "prior", "--prior", root / "prior", "--codes", tmp_path / "codes", "--out", tmp_path / "s.json")
    sample = ("sample", "--model", tmp_path, "--prior", root / "prior", "--out", tmp_path / "samples")
    prior = ("prior", "--codes", root / "codes" / "train", "--dev", tmp_path / "codes", "--out", tmp_path / "prior")
    top = ("score", "top", "--top", root / "top", "--model", tmp_path, "--codes", tmp_path / "codes")
    top += ("--data", root / "test", "--picture", tmp_path / "p.png", "--out", tmp_path / "s.json")
    bits = ("score", "bits", tmp_path, "--data", root / "test", "--prior", root / "prior", "--out", tmp_path / "s.json")
    for command in (score, sample, prior, top, bits):
        assert vision(*command) == 1
        assert "other codes than the prior was trained on (sha256" in capsys.readouterr().err
    assert not (tmp_path / "samples").exists() and not (tmp_path / "s.json").exists()


def test_what_cannot_be_drawn(root, tmp_path, capsys):
    drawing = ("sample", "--model", root / "exp", "--prior", root / "prior", "--out", tmp_path)
    assert vision(*drawing, "--class", "c") == 1
    assert "no class 'c'; it has a, b" in capsys.readouterr().err
    for option, value in (("--n", 0), ("--top-p", 0), ("--seed", -1), ("--temperature", -1), ("--scale", 0)):
        with pytest.raises(SystemExit, match="2"):
            vision(*drawing, option, value)
        assert f"argument {option}: '{value}' is no" in capsys.readouterr().err


def test_a_model_is_no_prior(root, tmp_path, capsys):
    assert vision("sample", "--model", root / "exp", "--prior", root / "exp", "--out", tmp_path) == 1
    assert "is no prior over codes of images" in capsys.readouterr().err
    codes = ("--codes", root / "codes" / "train", "--dev", root / "codes" / "test", "--out", tmp_path)
    assert vision("prior", "--conf", "frames_small", *codes) == 1
    assert "codes train one of" in capsys.readouterr().err


def test_recording_needs_enough_to_split(tmp_path, capsys):
    pytest.importorskip("vizdoom")
    assert vision("record", "--episodes", 2, "--out", tmp_path / "d") == 1
    assert "use at least 3 episodes of 2 frames" in capsys.readouterr().err and not (tmp_path / "d").exists()
