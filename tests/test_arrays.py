"""Arrays in files that may hold anything."""

import io
import random
import zipfile

import numpy as np
import pytest

from vqspeech.arrays import ArrayError, map_array, read_arrays


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.arange(600, dtype=np.uint8).reshape(2, 300), labels=np.arange(2))
    return path


def test_arrays_by_name(path):
    assert read_arrays(path).keys() == {"images", "labels"}
    found = read_arrays(path, ["labels", "missing"])
    assert found.keys() == {"labels"} and found["labels"].tolist() == [0, 1]


def member(path, name, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, content)


def test_members_that_are_no_arrays(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    objects = io.BytesIO()
    np.save(objects, np.array([{}]), allow_pickle=True)
    for content, message in (
        (b"text", "'images' is not an array|ValueError"),
        (b"", "EOFError|not an array|ValueError"),
        (header.getvalue(), "MemoryError|ValueError"),
        (objects.getvalue(), "Object arrays cannot be loaded when allow_pickle=False"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': __import__('os').system('touch owned')}", "Error"),
    ):
        member(path, "images", content)
        with pytest.raises(ArrayError, match=message):
            read_arrays(path, ["images"])
        member(path, "images.npy", content)
        with pytest.raises(ArrayError):
            read_arrays(path, ["images"])
    assert not list(path.parent.glob("owned"))
    with pytest.raises(ArrayError, match="No such file"):
        read_arrays(path.with_name("nothing"))


def test_damaged_files(path):
    whole, draw = path.read_bytes(), random.Random(0)
    np.save(path.with_suffix(".npy"), np.zeros((3, 4), np.uint16))
    array = path.with_suffix(".npy").read_bytes()
    for i in range(300):
        for file, content in ((path, whole), (path.with_suffix(".npy"), array)):
            damaged = bytearray(content if i % 3 else content[: draw.randrange(len(content))])
            for _ in range(draw.randint(1, 5)):
                if damaged:
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            file.write_bytes(damaged)
            try:
                found = read_arrays(file) if file == path else {"": map_array(file)}
            except ArrayError as error:
                assert str(error)
                continue
            assert all(isinstance(one, np.ndarray) for one in found.values())
    path.write_bytes(whole)
    with pytest.raises(ArrayError, match="not hold a single array"):
        map_array(path)
    with pytest.raises(FileNotFoundError):
        map_array(path.with_name("nothing"))
