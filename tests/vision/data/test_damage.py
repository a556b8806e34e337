"""Sets of images and their codes that are damaged: refused by name, or whole; never anything else."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from vqspeech.errors import ImageError, VqspeechError
from vqspeech.vision.data.codes import read_codes, write_codes
from vqspeech.vision.data.corpora import npz
from vqspeech.vision.data.images import Image, read_images, write_images

ANYTHING = [
    None, 3, -1, 0, "x", [], {}, [1], [None], 10**30, 1.5, True, [{"images": "images.000.u8", "count": -1}],
    [{"images": 3, "count": 1}], [{"images": "/etc/hostname", "count": 1}], float("nan"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Path:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (12, 3, 4, 4), dtype=np.uint8)
    made = (Image(f"i{i}", pixels[i], i % 3, i // 6, i % 2) for i in range(12))
    images = write_images(tmp_path / "set", made, ["a", "b", "c"], ["l", "r"], 200)
    about = {"codes": 8, "latents": 1, "model": "m", "sha256": "0" * 64}
    write_codes(tmp_path / "codes", images, lambda some: np.full((len(some), 2, 2), 3), about, 5)
    np.savez(tmp_path / "all.npz", images=pixels.transpose(0, 2, 3, 1), labels=np.arange(12) % 3)
    return tmp_path


def use(path: Path) -> None:
    if path.suffix == ".npz":
        for images in npz.read_corpus(path).parts.values():
            list(images())
        return
    found = read_images(path) if path.name == "set" else read_codes(path)
    assert len(found) == 12 and len(found.fingerprint) == 64
    _ = found.pixels(slice(None)) if path.name == "set" else found.codes[:]  # pyright: ignore


def damage(content: bytes, draw: random.Random) -> bytes:
    found = bytearray(content)
    place = draw.randrange(len(found))
    kind = draw.randrange(4)
    if kind == 0:
        return content[:place]
    if kind == 1:
        found[place] ^= 1 << draw.randrange(8)
    elif kind == 2:
        found[place : place + draw.randint(1, 30)] = draw.choice([b"", b"null", b"-1", b"9" * 20, b"\t", b"\xff"])
    else:
        return draw.choice([b"", b"[]", b"null", b"\x80\x05cos\nsystem\n(S'touch owned'\ntR."])
    return bytes(found)


def test_whatever_is_damaged(folder):
    draw = random.Random(0)
    targets = [(folder / name, path) for name in ("set", "codes") for path in sorted((folder / name).iterdir())]
    targets.append((folder / "all.npz", folder / "all.npz"))
    for target, path in targets:
        whole = path.read_bytes()
        for _ in range(60):
            path.write_bytes(damage(whole, draw))
            try:
                use(target)
            except VqspeechError as error:
                assert str(target) in str(error)
        path.write_bytes(whole)
        use(target)


@pytest.mark.parametrize("name", ["set", "codes"])
def test_whatever_the_index_says(folder, name):
    path = folder / name / "index.json"
    whole = json.loads(path.read_text())
    for key in whole:
        for value in ANYTHING:
            path.write_text(json.dumps(whole | {key: value}))
            try:
                use(folder / name)
            except ImageError as error:
                assert str(folder / name) in str(error)
    for key in whole.keys() - {"sha256", "format", "version"}:
        path.write_text(json.dumps({other: value for other, value in whole.items() if other != key}))
        with pytest.raises(ImageError, match=f"damaged .*index.json.{key} is missing"):
            use(folder / name)


def test_a_set_is_told_from_another_one(folder):
    images = read_images(folder / "set")
    rows = [Image(f"i{i}", images.pixels([i])[0], i % 3, i // 6, i % 2) for i in range(12)]
    found = {images.fingerprint}
    for name, changed, classes in (
        ("same", rows, ["a", "b", "c"]),
        ("pixel", [*rows[:-1], rows[-1]._replace(pixels=rows[-1].pixels ^ 1)], ["a", "b", "c"]),
        ("label", [*rows[:-1], rows[-1]._replace(label=0)], ["a", "b", "c"]),
        ("name", [*rows[:-1], rows[-1]._replace(name="x")], ["a", "b", "c"]),
        ("class", rows, ["a", "b", "d"]),
    ):
        found.add(write_images(folder / name, changed, classes, ["l", "r"], 10_000).fingerprint)
    assert len(found) == 5, "all but the same one, in other files"
