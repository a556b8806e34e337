import sys

import pytest

from tests.vision.images import image_files
from vqspeech.cli import main
from vqspeech.metrics.reports import scores
from vqspeech.studies.images import ImageStudy
from vqspeech.studies.rates import FINDINGS, METHODS
from vqspeech.studies.toy import AUTHORS


@pytest.fixture
def command(tmp_path, monkeypatch):
    pytest.importorskip("skimage")
    monkeypatch.setattr(ImageStudy, "methods", {name: METHODS[name] for name in ("gradient", "NSVQ", "k-means")})
    for part, seed in (("train", 0), ("test", 1)):
        image_files(tmp_path / part, 30, 16, seed=seed)
    return ["study", "images", "--train", str(tmp_path / "train"), "--test", str(tmp_path / "test"), "--out",
            str(tmp_path / "out"), "--seeds", "2", "--steps", "3", "--batch", "4", "--images", "20"]  # fmt: skip


@pytest.fixture
def no_work(monkeypatch):
    monkeypatch.setattr(ImageStudy, "run", lambda self: pytest.fail("work was begun"))


def test_the_study_and_that_it_goes_on_where_it_was(command, tmp_path, monkeypatch, capsys):
    assert main([*command, "--bits", "6"]) == 0
    made, figures = [], ImageStudy._run_one
    monkeypatch.setattr(ImageStudy, "_run_one", lambda self, *run: (made.append(run), figures(self, *run))[1])
    assert main([*command, "--bits", "6"]) == 0 and not made
    assert main([*command, "--bits", "6", "2"]) == 0
    assert {run[0] for run in made} == {(2,)} and len(made) == 7 * 2, "2 seeds of 7 rows"
    sections = scores.read(tmp_path / "out" / "scores.json")["sections"]
    assert list(sections) == [
        "images", "images: 6 bits", "images: convergence at 6 bits", "images: PSNR beside the paper's",
        "images: SSIM beside the paper's", *(
            f"images: findings, {what}" for what in ("PSNR", "SSIM", "perplexity", "convergence")
        ), "images: 2 bits",
    ]  # fmt: skip
    notes = " ".join(sections["images"]["notes"])
    assert "4 x 4 codes an image" in notes and "3 steps of 4 of 30 images" in notes and "on 20 images of" in notes
    row = sections["images: 6 bits"]["rows"][0]
    assert row["row"] == "gradient, never" and row["PSNR (dB)"]["n"] == 2 and 0 < row["SSIM"]["value"] < 1
    assert row["perplexity"]["value"] <= 64 - row["dead codes"]["value"]
    paper = {one["row"]: one for one in sections["images: PSNR beside the paper's"]["rows"]}
    cell = paper[f"{AUTHORS}: above gradient, never"]
    assert cell["6 bits"].endswith("published -0.200") and "2 bits" not in cell, "no such bits were printed"
    for what in ("PSNR", "perplexity"):
        findings = {one["row"]: one for one in sections[f"images: findings, {what}"]["rows"]}
        assert len(findings) == len(FINDINGS) and all(one["source"] for one in findings.values())
        cells = findings["NSVQ with replacement errs less than without"]
        assert {name.split(":")[0] for name in cells} == {"row", "source", "6 bits", "2 bits"}
        assert len(findings["EMA with replacement errs less than without"]) == 2, "EMA was not run"
    for name in ("images.png", "images-convergence.png"):
        assert (tmp_path / "out" / "pictures" / name).stat().st_size > 1000
    assert "NSVQ, by batches" in capsys.readouterr().out


def test_a_missing_judge_is_said_before_any_work(command, no_work, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    assert main(command) == 1
    assert "not installed; get it with: pip install 'vqspeech[vision]'" in capsys.readouterr().err


def test_sets_that_do_not_belong_together_are_refused(command, no_work, tmp_path, capsys):
    image_files(tmp_path / "test", 5, 12)
    assert main(command) == 1
    assert "images of (3, 12, 12), (3, 16, 16) in" in capsys.readouterr().err
    assert main([*command, "--test", str(tmp_path / "nowhere")]) == 1
    assert "no complete set of images" in capsys.readouterr().err


def test_images_too_small_for_ssim_are_refused_before_any_work(command, no_work, tmp_path, capsys):
    for part in ("train", "test"):
        image_files(tmp_path / part, 5, 8)
    assert main(command) == 1
    assert "too small for SSIM" in capsys.readouterr().err


def test_options(command, capsys):
    for wrong, said in (("0", "at least 1"), ("eight", "at least 1"), ("8+8", "at least 1"), ("17", "give 1 to 16")):
        with pytest.raises(SystemExit):
            main([*command, "--bits", wrong])
        assert said in capsys.readouterr().err
    assert main([*command, "--device", "nowhere"]) == 1
    assert "no device 'nowhere'" in capsys.readouterr().err
