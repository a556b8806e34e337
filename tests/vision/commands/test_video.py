"""From a world of bars to scores: prior-video, sample-video, score video; what they refuse."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.vision.worlds import ACTIONS, frames, small_model
from vqspeech.cli import main
from vqspeech.deprecation import rename_arguments
from vqspeech.errors import MissingExtra
from vqspeech.vision.commands import sample_video
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.data.images import read_images, write_images
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models.prior import ImagePrior
from vqspeech.vision.models.video import VideoPrior

TINY = [
    "video.past=6", "video.heads=2", "video.layers=2", "video.width=6", "video.hidden=6", "video.dilations=[1]",
    "video.window=3",
    "training.batch=2", "training.length=5", "training.given=2", "training.steps=2", "training.evaluate_every=2",
    "training.evaluate_batches=1", "training.precision=fp32",
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Sets `train` and `test` of frames and their codes, the model that made them, and a prior of two steps."""
    folder = tmp_path_factory.mktemp("world")
    small_model().save_pretrained(folder / "model.safetensors")
    for part, seed in (("train", 0), ("test", 1)):
        write_images(folder / part, frames(6, 20, seed), ["bars"], ACTIONS)
        encode = ["--model", str(folder / "model.safetensors"), "--data", str(folder / part)]
        assert main(["vision", "encode", *encode, "--out", str(folder / f"{part}.codes")]) == 0
    codes = ["--codes", str(folder / "train.codes"), "--dev", str(folder / "test.codes")]
    train = [*codes, "--out", str(folder / "prior"), "--conf", "mini_video_prior", *TINY]
    assert main(["vision", "prior-video", *train]) == 0
    return folder


def made_by(world: Path) -> list[str]:
    return ["--prior", str(world / "prior"), "--model", str(world / "model.safetensors"), "--data", str(world / "test")]


def sample(world: Path, out: Path, *options: str) -> int:
    return main(["vision", "sample-video", *made_by(world), "--out", str(out), *options])


def test_videos_and_a_sheet(world, tmp_path, capsys):
    from PIL import Image

    options = [
        "--actions",
        "forward",
        "right,forward",
        "recorded",
        "any",
        "--n",
        "3",
        "--context",
        "2",
        "--frames",
        "4",
    ]
    assert sample(world, tmp_path, *options) == 0
    assert "48 frames generated" in capsys.readouterr().err
    with np.load(tmp_path / "videos.npz", allow_pickle=False) as file:
        images, codes, episodes, actions = (file[name] for name in ("images", "codes", "episodes", "actions"))
    assert images.shape == (72, 12, 16, 3) and codes.shape == (72, 3, 4) and episodes.max() == 11
    actions = actions.reshape(3, 4, 6)
    assert (actions[:, 0, 1:5] == 1).all() and (actions[:, 1, 1] == 2).all() and (actions[:, 1, 2:5] == 1).all()
    assert (actions[:, 3] == 0).all() and (actions[:, :, 5] == 0).all()
    codes = codes.reshape(3, 4, 6, 3, 4)
    assert (codes[:, :, :2] == codes[:, :1, :2]).all(), "all rows go on from the same frames"
    table = read_images(world / "test").table
    assert table.actions is not None
    starts = sample_video._starts(read_images(world / "test"), 6, 3)
    assert [int(actions[i, 2, 1]) for i in range(3)] == (1 + table.actions[starts + 1]).tolist()
    assert Image.open(tmp_path / "video-002.gif").info["loop"] == 0
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size[0] > 6 * (16 + 2) + 2 and sheet.size[1] > 3 * 4 * (12 + 2) + 2 * 2
    again = tmp_path / "again"
    assert sample(world, again, *options) == 0
    assert (again / "videos.npz").read_bytes() == (tmp_path / "videos.npz").read_bytes()


def test_from_nothing_and_far(world, tmp_path):
    assert sample(world, tmp_path, "--context", "0", "--n", "1", "--frames", "12", "--actions", "forward") == 0
    with np.load(tmp_path / "videos.npz", allow_pickle=False) as file:
        assert file["images"].shape == (12, 12, 16, 3) and (file["actions"][:-1] == 1).all()


def test_without_ffmpeg_there_are_gifs_only(world, tmp_path, monkeypatch, capsys):
    def missing(*_):
        raise MissingExtra("imageio_ffmpeg", "video")

    monkeypatch.setattr(pictures, "write_mp4", missing)
    assert sample(world, tmp_path, "--n", "1", "--context", "1", "--frames", "1") == 0
    assert "GIF only, no MP4: imageio_ffmpeg is not installed" in capsys.readouterr().err
    assert (tmp_path / "video-000.gif").is_file() and not list(tmp_path.glob("*.mp4"))


def test_gif_and_mp4_have_all_frames(tmp_path):
    from PIL import Image

    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    videos = [np.random.default_rng(0).integers(0, 255, (5, 3, 9, 11), dtype=np.uint8)] * 2
    pictures.write_gif(tmp_path / "v.gif", videos, 8.0, 2)
    gif = Image.open(tmp_path / "v.gif")
    assert getattr(gif, "n_frames", 1) == 5 and gif.info["duration"] in (120, 130) and gif.size == (48, 20)
    pictures.write_mp4(tmp_path / "v.mp4", videos, 8.0, 2)
    found = ffmpeg.read_frames(str(tmp_path / "v.mp4"))
    about = next(found)
    assert about["fps"] == 8.0 and about["source_size"] == (48, 20) and len(list(found)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--actions", "forward,jump"], "no action 'jump'; it has forward, right"),
        (["--actions", "forward,forward,right", "--frames", "2"], "3 actions for 2 frames; raise --frames"),
        (["--context", "30"], "the longest of 6 episodes has 20 frames, but a clip takes 40; record longer"),
        (["--rate", "0.01"], "between 0.1 and 100 frames a second"),
    ],
)
def test_what_cannot_be_imagined(world, tmp_path, capsys, options, message):
    assert sample(world, tmp_path / "out", *options) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--top-p", "0"], ["--frames", "0"], ["--rate", "0"], ["--seed", "-1"]])
def test_numbers_that_make_no_sense(world, tmp_path, capsys, option):
    with pytest.raises(SystemExit, match="2"):
        sample(world, tmp_path / "out", *option)
    assert f"argument {option[0]}: '{option[1]}' is no" in capsys.readouterr().err


def test_another_codebook_or_size_is_refused(world, tmp_path, capsys):
    small_model(seed=1).save_pretrained(tmp_path / "other.safetensors")
    assert sample(world, tmp_path / "out", "--model", str(tmp_path / "other.safetensors")) == 1
    assert "has other codes than the prior was trained on (sha256" in capsys.readouterr().err
    wide = (one._replace(pixels=np.repeat(one.pixels, 2, 2)) for one in frames(2, 20))
    write_images(tmp_path / "wide", wide, ["bars"], ACTIONS)
    assert sample(world, tmp_path / "out", "--data", str(tmp_path / "wide")) == 1
    assert "the model has uint8 of (3, 12, 16)" in capsys.readouterr().err
    codes = ["--codes", str(world / "train.codes"), "--dev", str(tmp_path / "codes"), "--out", str(tmp_path / "exp")]
    encode = ["--model", str(tmp_path / "other.safetensors"), "--data", str(world / "test")]
    assert main(["vision", "encode", *encode, "--out", str(tmp_path / "codes")]) == 0
    assert main(["vision", "prior-video", *codes, *TINY]) == 1
    assert "has other codes than the prior was trained on (sha256" in capsys.readouterr().err


def score(world: Path, out: Path, *options: str) -> int:
    given = ["--codes", str(world / "test.codes"), "--train", str(world / "train"), "--clips", "4", "--frames", "3"]
    given += ["--train-codes", str(world / "train.codes"), "--inverse-steps", "3", "--context", "2"]
    return main(["vision", "score", "video", *made_by(world), *given, "--out", str(out), *options])


def test_scores(world, tmp_path, capsys):
    pytest.importorskip("skimage")
    codes = [
        "--codes",
        str(world / "train.codes"),
        "--dev",
        str(world / "test.codes"),
        "--out",
        str(tmp_path / "alone"),
    ]
    tiny = ["training.steps=1", "training.evaluate_batches=1", "prior.layers=1", "prior.width=4", "prior.hidden=6"]
    assert main(["vision", "prior", "--conf", "small_prior", *codes, *tiny]) == 0
    alone = ["--image-prior", str(tmp_path / "alone")]
    assert score(world, tmp_path / "scores.json", "--rollout-frames", "12", "--rollout-clips", "3", *alone) == 0
    sections = json.loads((tmp_path / "scores.json").read_text())["sections"]
    assert list(sections) == [
        "video: bits a code", "video: share of codes that are right", "video: PSNR, dB", "video: SSIM",
        "video: does it obey", "video: forward and right part ways", "video: after 12 frames",
    ]  # fmt: skip
    bits = {row["row"]: row for row in sections["video: bits a code"]["rows"]}
    first = [bits[name]["horizon 1"]["value"] for name in ("prior", "prior, given all frames before")]
    assert first[0] == pytest.approx(first[1], abs=1e-6), "at horizon 1 nothing is imagined between"
    saved = bits["copying the last given frame"]["horizon 3"]["value"] - bits["prior"]["horizon 3"]["value"]
    assert bits["saved beside copying the last given frame"]["horizon 3"]["value"] == pytest.approx(saved)
    for rival in ("image prior, which sees no past", "prior, actions not told"):
        saved = bits[rival]["horizon 3"]["value"] - bits["prior"]["horizon 3"]["value"]
        assert bits[f"saved beside {rival}"]["horizon 3"]["value"] == pytest.approx(saved)
        assert any(f"bits than {rival}" in note for note in sections["video: bits a code"]["notes"])
    model = ImagePrior.from_pretrained(tmp_path / "alone")
    clips = VideoPrior.from_pretrained(world / "prior").clips(read_codes(world / "test.codes"), 5).even(4)
    clips = clips.codes[:, 2:].flatten(0, 1).numpy()
    alone = model.bits(clips, np.zeros(len(clips), np.int64)).mean()
    assert bits["image prior, which sees no past"]["all 3"]["value"] == pytest.approx(alone)
    obeys = {row["row"]: row for row in sections["video: does it obey"]["rows"]}
    assert obeys["chance"]["actions recovered"] == 0.5 and len(obeys) == 6
    apart = sections["video: forward and right part ways"]["rows"]
    assert 0 <= apart[0]["told apart"]["value"] <= 1 and "differ at 3" in apart[2]
    drifting = [row["row"] for row in sections["video: after 12 frames"]["rows"]]
    assert drifting[1:] == [f"imagined, horizon {a} to {b}" for a, b in ((1, 10), (2, 11), (3, 12))]


def test_options_of_version_0_1():
    old = ["vision", "score", "video", "--given", "2", "--far=12", "--far-clips", "3", "--apart", "forward", "right"]
    with pytest.warns(FutureWarning) as warned:
        new = rename_arguments(old)
    options = ["--context", "2", "--rollout-frames=12", "--rollout-clips", "3", "--compare-actions", "forward", "right"]
    assert new == [*old[:3], *options] and len(warned) == 4
    assert rename_arguments(["vision", "sample-video", "--given", "2"]) == ["vision", "sample-video", "--context", "2"]


def test_scores_are_refused(world, tmp_path, capsys):
    out = tmp_path / "scores.json"
    assert score(world, out, "--codes", str(world / "train.codes")) == 1
    assert "not the codes of" in capsys.readouterr().err
    assert score(world, out, "--frames", "30") == 1
    assert "the longest of 6 episodes has 20 frames, but a clip takes 32" in capsys.readouterr().err
    small_model(seed=1).save_pretrained(tmp_path / "other.safetensors")
    assert score(world, out, "--model", str(tmp_path / "other.safetensors")) == 1
    assert "has other codes than the prior was trained on (sha256" in capsys.readouterr().err and not out.exists()
