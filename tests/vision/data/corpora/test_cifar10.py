"""CIFAR-10: three layouts of the same images give the same sets; damage is named, and nothing in a pickle is run."""

import json
import os
import pickle

import numpy as np
import pytest
from PIL import Image as Picture

from vqspeech.errors import CorpusError
from vqspeech.vision.data.corpora import cifar10
from vqspeech.vision.data.pickles import PickleError, read_pickle

BATCHES = (*cifar10.TRAIN, *cifar10.TEST)


def made_images(count=20):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (len(BATCHES), count, 3, 32, 32), dtype=np.uint8)
    return pixels, random.integers(0, 10, (len(BATCHES), count))


def write_layout(folder, layout, pixels, labels):
    folder.mkdir(parents=True)
    for name, images, numbers in zip(BATCHES, pixels, labels, strict=True):
        flat = images.reshape(len(images), -1)
        if layout == "binary":
            rows = np.concatenate([numbers[:, None].astype(np.uint8), flat], 1)
            (folder / f"{name}.bin").write_bytes(rows.tobytes())
        elif layout == "python":
            (folder / name).write_bytes(pickle.dumps({b"data": flat, b"labels": numbers.tolist()}, protocol=2))
        elif layout == "python 2":  # as numpy called itself then
            text = pickle.dumps({b"data": flat, b"labels": numbers.tolist()}, protocol=2)
            (folder / name).write_bytes(text.replace(b"cnumpy._core.", b"cnumpy.core."))
        else:
            Picture.fromarray(images.transpose(0, 2, 3, 1).reshape(len(images), -1, 3)).save(folder / f"{name}.png")
    if layout == "npm":
        for kind, numbers in (("train", labels[:5].ravel()), ("test", labels[5])):
            (folder / f"{kind}_lables.json").write_text(json.dumps([str(one) for one in numbers]))


@pytest.mark.parametrize("layout", ["binary", "python", "python 2", "npm"])
def test_layouts(layout, tmp_path):
    pixels, labels = made_images()
    write_layout(tmp_path / "deep" / "in", layout, pixels, labels)
    sets = cifar10.read_corpus(tmp_path).write(tmp_path / "out")
    assert {part: len(one) for part, one in sets.items()} == {"train": 90, "dev": 10, "test": 20}
    held = np.arange(100) % 20 % 10 == 9
    for part, wanted, numbers in (
        ("train", pixels[:5].reshape(-1, 3, 32, 32)[~held], labels[:5].ravel()[~held]),
        ("dev", pixels[:5].reshape(-1, 3, 32, 32)[held], labels[:5].ravel()[held]),
        ("test", pixels[5], labels[5]),
    ):
        assert np.array_equal(sets[part].pixels(slice(None)), wanted)
        assert np.array_equal(sets[part].table.labels, numbers)
        assert list(sets[part].classes) == list(cifar10.CLASSES)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(CorpusError, match="CIFAR-10 not found: looked for data_batch_1.bin"):
        cifar10.read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        cifar10.read_corpus(tmp_path / "nowhere")
    pixels, labels = made_images(4)
    write_layout(tmp_path / "c", "binary", pixels, labels)
    (tmp_path / "c" / "data_batch_3.bin").rename(tmp_path / "away")
    with pytest.raises(CorpusError, match=r"data_batch_3 missing"):
        cifar10.read_corpus(tmp_path / "c")
    (tmp_path / "c" / "data_batch_3.bin").write_bytes((tmp_path / "away").read_bytes()[:-5])
    with pytest.raises(CorpusError, match=r"data_batch_3.bin: not a complete batch"):
        cifar10.read_corpus(tmp_path / "c").write(tmp_path / "out")
    assert not (tmp_path / "out" / "train" / "index.json").exists(), "no half of a set"
    (tmp_path / "c" / "data_batch_3.bin").write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(CorpusError, match=r"labels are not 0 ... 9"):
        cifar10.read_corpus(tmp_path / "c").write(tmp_path / "out")


class _Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_in_a_pickle_is_run(protocol, tmp_path):
    mark = tmp_path / "run"
    for evil in (_Evil(os.system, f"touch {mark}"), _Evil(eval, "1"), _Evil(open, str(mark), "w")):
        (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": evil, "labels": [1]}, protocol=protocol))
        with pytest.raises(PickleError, match="is refused"):
            read_pickle(tmp_path / "data_batch_1")
    assert not mark.exists()


def test_pickles_hold_plain_arrays_only(tmp_path):
    path = tmp_path / "p"
    for held, words in (
        ([1, 2], "no dictionary"),
        ({"data": np.array([{}, 1], dtype=object)}, "plain numbers"),
        ({"data": np.zeros(2, "f4,i4")}, "plain numbers"),
    ):
        path.write_bytes(pickle.dumps(held, protocol=2))
        with pytest.raises(PickleError, match=words):
            read_pickle(path)
    path.write_bytes(pickle.dumps({"data": np.arange(6)}, protocol=2)[:-20])
    with pytest.raises(PickleError, match="damaged"):
        read_pickle(path)
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
    ):
        path.write_bytes(pickle.dumps({"a": array, b"b": "text"}, protocol=2))
        found = read_pickle(path)
        assert np.array_equal(found["a"], array) and found["b"] == "text"


def test_the_real_corpus_where_it_is_at_hand(corpora, tmp_path):
    folder = corpora / "cifar10"
    if not folder.is_dir():
        pytest.skip("no cifar10/ among the real corpora")
    sets = cifar10.read_corpus(folder).write(tmp_path)
    assert [len(sets[part]) for part in ("train", "dev", "test")] == [45000, 5000, 10000]
