"""Sets of images: what was written is read, over the borders of shards; damage is named."""

import json

import numpy as np
import pytest

from tests.vision.images import blobs, image_files
from vqspeech.cli import main
from vqspeech.errors import ImageError
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.codes import read_codes, write_codes
from vqspeech.vision.data.images import Image, read_images, write_images


def test_round_trip_over_shards(tmp_path):
    pixels = blobs(10)
    frames = (Image(f"f{i}", one, -1, i // 4, i % 2) for i, one in enumerate(pixels))
    found = write_images(tmp_path, frames, actions=["left", "right"], shard_bytes=3 * pixels[0].size)
    assert [len(one) for one in found.maps] == [3, 3, 3, 1]
    for picks in ([7, 0, 7, 3], slice(2, 9), np.arange(10)[::-1], [-1]):
        assert np.array_equal(found.pixels(picks), pixels[np.arange(10)[picks]])
    assert found.table.episodes is not None and found.table.actions is not None
    assert found.table.episodes.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert found.table.actions.tolist() == [0, 1] * 5 and set(found.table.labels) == {-1}
    assert "3 episodes, 2 actions" in found.description
    again = write_images(tmp_path, (Image(f"n{i}", one, i) for i, one in enumerate(pixels[:2])), ["a", "b"])
    assert len(again) == 2 and len(list(tmp_path.glob("images.*.u8"))) == 1 and again.table.episodes is None


def test_damage_is_named(tmp_path):
    with pytest.raises(ImageError, match="no complete set of images .index.json is missing"):
        read_images(tmp_path)
    with pytest.raises(ImageError, match="no images to write"):
        write_images(tmp_path, [])
    image_files(tmp_path, 4)
    shard, table, index = (tmp_path / name for name in ("images.000.u8", "images.tsv", "index.json"))
    kept = {path: path.read_bytes() for path in (shard, table, index)}

    def refused(path, content, words):
        path.write_bytes(content)
        with pytest.raises(ImageError, match=words):
            read_images(tmp_path)
        path.write_bytes(kept[path])

    refused(shard, kept[shard][:-1], "does not have the 768 bytes")
    refused(table, kept[table].rsplit(b"\n", 2)[0], "the table has 3 images, but the index 4")
    refused(table, kept[table].replace(b"\t2", b"\t3"), "a class number is outside the 3 names")
    refused(table, kept[table].replace(b"\t2", b"\ttwo"), "images.tsv:4: not a name and 1 numbers")
    refused(table, b"name\n", "the head is")
    refused(index, kept[index][:-9], "is damaged")
    refused(index, json.dumps(json.loads(kept[index]) | {"version": 2}).encode(), "version 1")
    assert len(read_images(tmp_path)) == 4
    with pytest.raises(ImageError, match="i: uint8 .3, 4, 4., the first was"):
        write_images(tmp_path, [Image("h", blobs(1)[0]), Image("i", blobs(1, 4)[0])])
    with pytest.raises(ImageError, match="is damaged|no complete set"):
        read_images(tmp_path)
    with pytest.raises(ImageError, match="cannot be the name of an image"):
        write_images(tmp_path, [Image("a\tb", blobs(1)[0])])


def test_batches_are_a_function_of_the_step(tmp_path):
    batches = ImageBatches(image_files(tmp_path, 50), flip=True)
    one, same, other, process = (batches.random(16, 0, *place) for place in ((3,), (3,), (4,), (3, 1)))
    assert one.images.equal(same.images) and one.labels.equal(same.labels)
    assert not one.images.equal(other.images) and not one.images.equal(process.images)
    plain = ImageBatches(batches.images).random(16, 0, 3)
    mirrored = [not a.equal(b) for a, b in zip(one.images, plain.images, strict=True)]
    assert 2 < sum(mirrored) < 14
    assert all(a.equal(b.flip(2) if m else b) for a, b, m in zip(one.images, plain.images, mirrored, strict=True))
    assert len(batches.even(7).images) == 7 and len(batches.even(70).images) == 50
    assert batches.even(50).images.numpy().tolist() == batches.images.pixels(slice(None)).tolist()


def test_codes_round_trip_and_damage(tmp_path):
    images = image_files(tmp_path / "set", 10)
    about = {"codes": 7, "latents": 2, "model": "m", "sha256": "0" * 64}
    wanted = np.random.default_rng(0).integers(0, 7, (10, 2, 4))
    calls = iter(range(0, 10, 4))

    def encoded(pixels):
        start = next(calls)
        assert np.array_equal(pixels, images.pixels(slice(start, start + 4)))
        return wanted[start : start + 4]

    found = write_codes(tmp_path / "codes", images, encoded, about, batch=4)
    assert np.array_equal(found.codes, wanted) and found.description == about and found.dimensions == 8 * 8 * 3
    assert list(found.table.names) == list(images.table.names) and list(found.classes) == ["a", "b", "c"]
    codes, index = tmp_path / "codes" / "codes.npy", tmp_path / "codes" / "index.json"
    np.save(codes, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match="damaged"):
        read_codes(tmp_path / "codes")
    for array, words in ((wanted[:9].astype(np.uint16), "do not match"), (wanted, "do not match")):
        np.save(codes, array)
        with pytest.raises(ImageError, match=words):
            read_codes(tmp_path / "codes")
    np.save(codes, np.full((10, 2, 4), 7, np.uint16))
    with pytest.raises(ImageError, match="code 7 is not below 7"):
        read_codes(tmp_path / "codes")
    index.unlink()
    with pytest.raises(ImageError, match="index.json is missing.; make them: vqspeech vision encode"):
        read_codes(tmp_path / "codes")


def test_validation_finds_copies_and_what_does_not_fit(tmp_path, capsys):
    train, dev = image_files(tmp_path / "train", 12), blobs(4, seed=1)
    dev[1], dev[2] = train.pixels([5])[0], 9
    names = ["a", "b", "c", "a"]
    write_images(tmp_path / "dev", (Image(n, one, 0) for n, one in zip(names, dev, strict=True)), ["a", "b", "c"])
    assert main(["vision", "validate", str(tmp_path / "train")]) == 0
    assert "no fault in 12 images of 8x8x3, 3 classes" in capsys.readouterr().out
    assert main(["vision", "validate", str(tmp_path / "train"), str(tmp_path / "dev")]) == 1
    said = capsys.readouterr().out
    assert "dev/images.tsv:3: 'b' is also 'i0-5' in another set" in said
    assert "images.tsv:4: 'c' has one colour" in said and "images.tsv:5: 'a' occurs twice" in said
    assert said.endswith("3 faults\n")
    image_files(tmp_path / "other", 3, size=4)
    assert main(["vision", "validate", str(tmp_path / "train"), str(tmp_path / "other"), str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "shape or classes differ from those of" in said and "no complete set of images" in said
