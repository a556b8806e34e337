"""Features as files."""

import json

import numpy as np
import pytest

from vqspeech.data.features import SIDE, FeaturesAbout, describe_features, read_features, write_features
from vqspeech.errors import UnitsError

ABOUT = FeaturesAbout(50.0, 3, "m", "0" * 64)


@pytest.fixture
def folder(tmp_path):
    for name, frames in (("a-1", 4), ("b/1", 6)):
        write_features(tmp_path, name, np.arange(frames * 3, dtype=np.float64).reshape(frames, 3))
    describe_features(tmp_path, ABOUT)
    return tmp_path


def test_they_come_back(folder):
    found, about = read_features(folder, ["a-1", "b/1", "c-1"])
    assert about == ABOUT and list(found) == ["a-1", "b/1"]
    assert found["a-1"].dtype == np.float32 and found["b/1"].shape == (6, 3)
    assert np.array_equal(np.load(folder / "a-1.npy")[1], [3, 4, 5]), "as any other tool reads them"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: (f / SIDE).unlink(),
        lambda f: (f / SIDE).write_text("[1]"),
        lambda f: (f / SIDE).write_text("{"),
        lambda f: (f / SIDE).write_text(json.dumps({"rate_hz": 0, "dimension": 3, "model": "", "sha256": ""})),
        lambda f: (f / "a-1.npy").write_bytes(b"\x93NUMPY"),
        lambda f: (f / "a-1.npy").write_bytes(b""),
        lambda f: np.save(f / "a-1.npy", np.zeros((4, 2))),
        lambda f: np.save(f / "a-1.npy", np.full((4, 3), np.nan)),
        lambda f: np.save(f / "a-1.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True),
    ],
)
def test_what_is_none_is_told(folder, spoil):
    spoil(folder)
    with pytest.raises(UnitsError, match=r"encode"):
        read_features(folder, ["a-1"])
