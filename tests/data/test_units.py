"""Units files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.data.units import Units, read_units, runs, side_file, write_runs, write_units
from vqspeech.errors import UnitsError

CODES = {"b-1": np.array([3, 3, 0]), "a-1": np.array([7])}


ID = st.from_regex(r"[a-zé]-[0-9]{1,3}", fullmatch=True)


@given(st.dictionaries(ID, st.lists(st.integers(0, 99), min_size=1), min_size=1))
def test_round_trip(tmp_path_factory, codes):
    path = tmp_path_factory.mktemp("units") / "units"
    write_units(path, codes, 25.0, 100, "exp/a/best.safetensors", "0" * 64)
    units = read_units(path)
    assert {name: some.tolist() for name, some in units.codes.items()} == codes
    assert list(units.codes) == sorted(codes)
    assert (units.rate, units.size, units.model, units.sha256) == (25.0, 100, "exp/a/best.safetensors", "0" * 64)


def test_the_format_is_what_language_models_read(tmp_path):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    assert (tmp_path / "u").read_text() == "a-1 7\nb-1 3 3 0\n"
    described = json.loads(side_file(tmp_path / "u").read_text())
    assert described == {"rate_hz": 50, "codes": 8, "model": "m", "sha256": "ab", "utterances": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a-1 7 x\nb-1 1\n", r"u:1: 'a-1' has codes that are no integers"),
        ("a-1 7\nb-1 8\n", r"u:2: b-1: code 8 is not in 0 ... 7"),
        ("a-1 7\nb-1 -1\n", r"code -1"),
        ("a-1 7\na-1 7\n", r"u:2: 'a-1' stands twice"),
        ("a-1 7\n\nb-1 1\n", r"u:2: empty line"),
        ("a-1 7\nb-1\n", r"u:2: b-1: no codes"),
        ("a-1 7\n", r"1 utterances, 2 by u.json"),
        ("", r"u: no utterances"),
        ("a-1 7 1.5\nb-1 1\n", "no integers"),
    ],
)
def test_malformed_lines(tmp_path, content, message):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    (tmp_path / "u").write_text(content)
    with pytest.raises(UnitsError, match=message):
        read_units(tmp_path / "u")


@pytest.mark.parametrize(
    "side", [None, "{", "[]", '{"rate_hz": 50}', '{"rate_hz": 0, "codes": 8, "model": "", "sha256": ""}']
)
def test_side_file(tmp_path, side):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    if side is None:
        side_file(tmp_path / "u").unlink()
    else:
        side_file(tmp_path / "u").write_text(side)
    with pytest.raises(UnitsError, match="u.json"):
        read_units(tmp_path / "u")


def test_missing_and_binary(tmp_path):
    with pytest.raises(UnitsError, match="no such file"):
        read_units(tmp_path / "u")
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    (tmp_path / "u").write_bytes(b"\xff\xfe")
    with pytest.raises(UnitsError, match="not text"):
        read_units(tmp_path / "u")


@pytest.mark.parametrize("codes", [{"a": [8]}, {"a": [-1]}, {"a": []}, {"a b": [1]}, {"": [1]}, {"a": [0.5]}])
def test_nothing_wrong_is_written(tmp_path, codes):
    with pytest.raises(UnitsError):
        write_units(tmp_path / "u", codes, 50, 8, "m", "ab")
    assert not list(tmp_path.iterdir())


@given(st.lists(st.integers(0, 3), max_size=12))
def test_runs(codes):
    found = runs(np.array(codes, dtype=np.int64)).tolist()
    assert found == [i for i, code in enumerate(codes) if i == 0 or codes[i - 1] != code]


def test_runs_are_written_for_language_models(tmp_path):
    write_runs(tmp_path / "runs", Units({"a-1": np.array([3, 3, 0, 3]), "b-1": np.array([7])}, 25.0, 8, "m", "0" * 64))
    assert (tmp_path / "runs").read_text() == "a-1 3 0 3\nb-1 7\n"
    assert not side_file(tmp_path / "runs").exists()
