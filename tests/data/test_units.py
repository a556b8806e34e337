"""Units files."""

import hashlib
import json
import os
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.units import Units, find_runs, join_units, read_units, side_file, write_runs, write_units
from vqspeech.errors import MissingExtra, UnitsError

CODES = {"b-1": np.array([3, 3, 0]), "a-1": np.array([7])}


ID = st.from_regex(r"[a-zé]-[0-9]{1,3}", fullmatch=True)


@pytest.mark.parametrize("ending", ["txt", "jsonl", "parquet"])
@settings(deadline=None)
@given(codes=st.dictionaries(ID, st.lists(st.integers(0, 99), min_size=1), min_size=1))
def test_round_trip(tmp_path_factory, ending, codes):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("units") / f"units.{ending}"
    write_units(path, codes, 25.0, 100, "exp/a/best.safetensors", "0" * 64)
    units = read_units(path)
    assert {name: some.tolist() for name, some in units.codes.items()} == codes
    assert list(units.codes) == sorted(codes)
    assert (units.rate, units.size, units.model, units.sha256) == (25.0, 100, "exp/a/best.safetensors", "0" * 64)


def test_the_format_is_what_language_models_read(tmp_path):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    assert (tmp_path / "u").read_text() == "a-1 7\nb-1 3 3 0\n"
    described = json.loads(side_file(tmp_path / "u").read_text())
    assert described == {
        "rate_hz": 50, "codes": 8, "model": "m", "sha256": "ab", "utterances": 2, "frames": 4,
        "units_sha256": hashlib.sha256(b"a-1 7\nb-1 3 3 0\n").hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [b"a-1\t7\nb-1\t3 3  0\n", b"\xef\xbb\xbfa-1 7\nb-1 3 3 0\n", b"a-1 7\r\nb-1 3 3 0\r\n", b"b-1 3 3 0\na-1 7"],
    ids=["tabs", "byte order mark", "dos", "order and last line end"],
)
def test_white_space_and_order_do_not_matter(tmp_path, content):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    (tmp_path / "u").write_bytes(content)
    assert {name: some.tolist() for name, some in read_units(tmp_path / "u").codes.items()} == {
        "a-1": [7],
        "b-1": [3, 3, 0],
    }


def without_hash(path):
    """Makes the side file one of before it had a hash."""
    described = json.loads(side_file(path).read_text())
    side_file(path).write_text(json.dumps({k: v for k, v in described.items() if k not in ("frames", "units_sha256")}))


@pytest.mark.parametrize(("cut", "message"), [(1, None), (2, "3 codes, 4 by u.json"), (4, "2 codes, 4")])
def test_a_file_that_breaks_off_is_refused(tmp_path, cut, message):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    (tmp_path / "u").write_bytes((tmp_path / "u").read_bytes()[:-cut])
    if message:
        with pytest.raises(UnitsError, match=message):
            read_units(tmp_path / "u")
    else:
        read_units(tmp_path / "u")
    without_hash(tmp_path / "u")
    with pytest.raises(UnitsError, match="u: ends within its last line; encode again"):
        read_units(tmp_path / "u")


def test_other_codes_and_a_cut_within_a_code_are_refused(tmp_path):
    write_units(tmp_path / "u", {"a-1": [7], "b-1": [3, 3, 17]}, 50, 18, "m", "ab")
    for content in ("a-1 7\nb-1 3 3 1", "a-1 7\nb-1 3 3 2\n", "a-2 7\nb-1 3 3 17\n"):
        (tmp_path / "u").write_text(content)
        with pytest.raises(UnitsError, match="not the codes that u.json describes, which may be another model's"):
            read_units(tmp_path / "u")


def test_side_files_without_a_hash_are_read(tmp_path):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    without_hash(tmp_path / "u")
    assert len(read_units(tmp_path / "u").codes) == 2


@pytest.mark.parametrize("old", [True, False], ids=["old side file", "side file with a hash"])
@pytest.mark.parametrize("stops", range(6))
def test_a_kill_never_names_another_model(tmp_path, monkeypatch, stops, old):
    """Wherever writing stops, what is there is the one pair, the other, or refused."""
    path, calls = tmp_path / "u", iter(range(99))
    write_units(path, CODES, 50, 8, "A", "aa")
    if old:
        without_hash(path)

    def killed(function):
        def call(*args, **options):
            if next(calls) >= stops:
                raise KeyboardInterrupt
            return function(*args, **options)

        return call

    for name in ("replace", "fsync"):
        monkeypatch.setattr(f"os.{name}", killed(getattr(os, name)))
    finished = True
    try:
        write_units(path, {"a-1": [1], "b-1": [2, 2, 2]}, 50, 8, "B", "bb")
    except KeyboardInterrupt:
        finished = False
    monkeypatch.undo()
    try:
        units = read_units(path)
    except UnitsError as error:
        assert "encode again" in str(error) and not finished
        return
    assert (units.model, units.codes["a-1"].tolist()) == (("B", [1]) if finished else ("A", [7]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a-1 7 x\nb-1 1\n", r"u:1: 'a-1' has codes that are not integers"),
        ("a-1 7\nb-1 8\n", r"u:2: b-1: code 8 is not in 0 ... 7"),
        ("a-1 7\nb-1 -1\n", r"code -1"),
        ("a-1 7\na-1 7\n", r"u:2: 'a-1' occurs twice"),
        ("a-1 7\n\nb-1 1\n", r"u:2: empty line"),
        ("a-1 7\nb-1\n", r"u:2: b-1: no codes"),
        ("a-1 7\n", r"1 utterances, 2 by u.json"),
        ("", r"u: no utterances"),
        ("a-1 7 1.5\nb-1 1\n", "not integers"),
    ],
)
def test_malformed_lines(tmp_path, content, message):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    (tmp_path / "u").write_text(content)
    with pytest.raises(UnitsError, match=message):
        read_units(tmp_path / "u")


@pytest.mark.parametrize(
    "side",
    [
        None,
        "{",
        "[]",
        '{"rate_hz": 50}',
        '{"rate_hz": 0, "codes": 8, "model": "", "sha256": ""}',
        '{"rate_hz": NaN, "codes": 8, "model": "", "sha256": ""}',
    ],
)
def test_side_file(tmp_path, side):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    if side is None:
        side_file(tmp_path / "u").unlink()
    else:
        side_file(tmp_path / "u").write_text(side)
    with pytest.raises(UnitsError, match="u.json"):
        read_units(tmp_path / "u")


def test_a_side_file_with_a_byte_order_mark(tmp_path):
    write_units(tmp_path / "u", CODES, 50, 8, "m", "ab")
    side_file(tmp_path / "u").write_text(side_file(tmp_path / "u").read_text(), encoding="utf-8-sig")
    assert read_units(tmp_path / "u").model == "m"


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
    found = find_runs(np.array(codes, dtype=np.int64)).tolist()
    assert found == [i for i, code in enumerate(codes) if i == 0 or codes[i - 1] != code]


def test_runs_are_written_for_language_models(tmp_path):
    write_runs(
        tmp_path / "runs", [Units({"a-1": np.array([3, 3, 0, 3]), "b-1": np.array([7])}, 25.0, 8, "m", "0" * 64)]
    )
    assert (tmp_path / "runs").read_text() == "a-1 3 0 3\nb-1 7\n"
    assert not side_file(tmp_path / "runs").exists()


def test_formats_differ_in_nothing_but_the_file(tmp_path):
    """Side files are the same; other tools read ids and codes; parts are joined, and runs written, in every format."""
    parquet = pytest.importorskip("pyarrow.parquet")
    for ending in ("txt", "jsonl", "parquet"):
        write_units(tmp_path / f"u.{ending}", CODES, 50, 8, "m", "ab")
        write_units(tmp_path / f"v.{ending}", {"c-1": [1, 1, 1]}, 50, 8, "m", "ab")
        assert join_units([tmp_path / f"u.{ending}", tmp_path / f"v.{ending}"], tmp_path / f"w.{ending}")
        write_runs(tmp_path / f"runs.{ending}", [read_units(tmp_path / f"w.{ending}")])
        assert side_file(tmp_path / f"w.{ending}").read_bytes() == side_file(tmp_path / "w.txt").read_bytes()
    assert (tmp_path / "u.jsonl").read_text() == '{"id": "a-1", "codes": [7]}\n{"id": "b-1", "codes": [3, 3, 0]}\n'
    assert (
        (tmp_path / "runs.jsonl").read_text().endswith('{"id": "b-1", "codes": [3, 0]}\n{"id": "c-1", "codes": [1]}\n')
    )
    assert parquet.read_table(tmp_path / "w.parquet").to_pylist() == [
        {"id": "a-1", "codes": [7]}, {"id": "b-1", "codes": [3, 3, 0]}, {"id": "c-1", "codes": [1, 1, 1]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "a-1", "codes": [7]}\n{"id": "a-1", "codes": [7]}\n', "u.jsonl:2: 'a-1' occurs twice"),
        (b'{"id": "a-1", "codes": [7.0]}\n', "u.jsonl:1: 'a-1' has codes that are not integers"),
        (b'{"id": "a-1", "codes": [true]}\n', "u.jsonl:1: 'a-1' has codes that are not integers"),
        (b'{"id": "a-1", "codes": [8]}\n', "u.jsonl:1: a-1: code 8 is not in 0 ... 7"),
        (b'{"id": "a-1", "codes": []}\n', "u.jsonl:1: a-1: no codes"),
        (b'{"id": "a-1"}\n', "u.jsonl:1: not"),
        (b"[" * 100_000, "u.jsonl:1: not"),
        (b"\xff\n", "u.jsonl:1: not"),
        (b'{"id": "a-1", "codes": [7]}\n', "1 utterances, 2 by u.jsonl.json"),
    ],
)
def test_faults_in_json_lines(tmp_path, content, message):
    write_units(tmp_path / "u.jsonl", CODES, 50, 8, "m", "ab")
    (tmp_path / "u.jsonl").write_bytes(content)
    with pytest.raises(UnitsError, match=re.escape(message)):
        read_units(tmp_path / "u.jsonl")


def test_faults_in_parquet(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "u.parquet"
    write_units(path, CODES, 50, 8, "m", "ab")
    whole = path.read_bytes()
    tables = {
        "row 2: b-1: code 8 is not in": {"id": ["a-1", "b-1"], "codes": [[7], [3, 8]]},
        "row 1: a-1: code -1 is not in": {"id": ["a-1"], "codes": [[-1]]},
        "row 1: a-1: no codes": {"id": ["a-1"], "codes": arrow.array([None], arrow.list_(arrow.int32()))},
        "the column codes is string": {"id": ["a-1"], "codes": ["7"]},
        "with columns id and codes": {"name": ["a-1"], "codes": [[7]]},
        "not the codes that u.parquet.json describes": {"id": ["a-1", "b-1"], "codes": [[7], [3, 3, 1]]},
    }
    for message, columns in tables.items():
        parquet.write_table(arrow.table(columns), path)
        with pytest.raises(UnitsError, match=message):
            read_units(path)
    for content in (whole[:-9], b"no parquet"):
        path.write_bytes(content)
        with pytest.raises(UnitsError, match="cannot be read as Parquet"):
            read_units(path)


def test_parquet_needs_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"vqspeech\[parquet\]"):
        write_units(tmp_path / "u.parquet", CODES, 50, 8, "m", "ab")
    assert not list(tmp_path.iterdir())
