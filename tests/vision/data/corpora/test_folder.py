"""Folders of pictures and .npz files: squares, splits, what cannot be read."""

import numpy as np
import pytest
from PIL import Image as Picture

from vqspeech.cli import main
from vqspeech.errors import CorpusError, ImageError
from vqspeech.vision.data.corpora import assign_part, folder, npz
from vqspeech.vision.data.images import read_images


def test_the_middle_square(tmp_path):
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = (250, 20, 90)
    Picture.fromarray(wide).save(tmp_path / "a.png")
    found = folder.read_square(tmp_path / "a.png", 20)
    assert found.shape == (3, 20, 20) and found.dtype == np.uint8
    assert np.abs(found[:, :, 1:-1] - np.array([250, 20, 90])[:, None, None].astype(int)).max() <= 5
    Picture.fromarray(wide[:, :, 0]).save(tmp_path / "grey.png")
    assert folder.read_square(tmp_path / "grey.png", 50).shape == (3, 50, 50), "small and grey ones too"


def test_a_picture_that_lies_on_its_side_is_turned(tmp_path):
    top_bright = np.zeros((40, 40, 3), np.uint8)
    top_bright[:20] = 255
    exif = Picture.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Picture.fromarray(top_bright).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = folder.read_square(tmp_path / "a.jpg", 40).astype(int)
    assert found[:, :, 30:].mean() > 240 and found[:, :, :10].mean() < 15


def noise(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 30, 3), dtype=np.uint8)).save(path)


def test_classes_and_parts(tmp_path, capsys):
    for i in range(60):
        noise(tmp_path / "c" / ("cat", "dog")[i % 2] / f"{i:03d}.png", i)
    (tmp_path / "c" / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "c" / "cat" / "._000.png").write_text("macOS")
    (tmp_path / "c" / "dog" / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    arguments = ["vision", "prepare", "folder", "--data", str(tmp_path / "c"), "--out", str(tmp_path / "o")]
    assert main([*arguments, "--size", "16"]) == 3, "one was skipped"
    said = capsys.readouterr()
    assert "bad.jpg: the picture cannot be read" in said.err and "60 done, 1 skipped" in said.err
    sets = {part: read_images(tmp_path / "o" / part) for part in ("train", "dev", "test")}
    assert sum(map(len, sets.values())) == 60 and all(list(one.classes) == ["cat", "dog"] for one in sets.values())
    assert not set(sets["train"].table.names) & set(sets["test"].table.names)
    for part, one in sets.items():
        for name, label in zip(one.table.names, one.table.labels, strict=True):
            assert assign_part(name) == part and ("cat", "dog")[label] == name.split("/")[0]


def test_the_layout_with_its_own_test_part(tmp_path):
    for i in range(30):
        noise(tmp_path / "train" / "n01" / f"{i}.png", i)
    noise(tmp_path / "val" / "n02" / "x.png", 99)
    sets = folder.read_corpus(tmp_path, 8).write(tmp_path / "o")
    assert list(sets["test"].table.names) == ["n02/x.png"] and sets["test"].table.labels.tolist() == [1]
    assert len(sets["train"]) + len(sets["dev"]) == 30
    with pytest.raises(CorpusError, match="no pictures"):
        folder.read_corpus(tmp_path / "o", 8)


def test_shares_of_the_parts():
    parts = [assign_part(f"name {i}") for i in range(4000)]
    assert 0.08 < parts.count("dev") / 4000 < 0.12 and 0.08 < parts.count("test") / 4000 < 0.12
    assert assign_part("name 1", test=0) != "test" and {assign_part(str(i), test=0) for i in range(200)} == {
        "train",
        "dev",
    }


def test_frames_are_split_by_episode(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (120, 6, 6, 3), dtype=np.uint8)
    kept = {"images": images, "episodes": np.arange(120) // 4, "actions": np.arange(120) % 3}
    np.savez(tmp_path / "f.npz", **kept)
    sets = npz.read_corpus(tmp_path / "f.npz").write(tmp_path / "o")
    seen = [set(one.table.episodes) for one in sets.values() if one.table.episodes is not None]
    assert sum(map(len, seen)) == 30 == len(set.union(*seen)), "no episode in two parts"
    one = sets["train"]
    places = [int(name) for name in one.table.names]
    assert np.array_equal(one.pixels(slice(None)), images[places].transpose(0, 3, 1, 2))
    assert one.table.actions is not None and one.table.actions.tolist() == [i % 3 for i in places]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"pixels": np.zeros((2, 4, 4, 3), np.uint8)}, "no array 'images'"),
        ({"images": np.zeros((2, 4, 4, 3))}, "no array 'images'"),
        (
            {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(3, int)},
            "'labels' does not hold one integer for each",
        ),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.array([0, -1])}, "negative"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "episodes": np.zeros(2, int)}, "need both"),
        ({"images": np.array([{}, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_arrays_that_are_refused(kept, words, tmp_path):
    np.savez(tmp_path / "f.npz", **kept)
    with pytest.raises(CorpusError, match=words):
        npz.read_corpus(tmp_path / "f.npz")


def test_no_npz_at_all(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"PK no archive")
    with pytest.raises(CorpusError, match="not an .npz file"):
        npz.read_corpus(tmp_path / "f.npz")
    (tmp_path / "g.jpg").write_bytes(b"")
    with pytest.raises(ImageError, match="download it again"):
        folder.read_square(tmp_path / "g.jpg", 8)
