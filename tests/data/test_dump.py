"""Shards: what comes out is what normalisation and world.analyse make of the recordings, and damage is named."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tests.conftest import ROOT, buzz
from vqspeech import audio, loudness, world
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.dump import SHARD_SAMPLES, Shards, _write_index, join_dumps, list_speakers, read_shards, write_shards
from vqspeech.data.dump_index import TABLE, TEXT_TABLE, Categories, Names, make_table
from vqspeech.errors import FAILED, SOME_SKIPPED, ShardError


def same(found: Shards, data: DataDir, with_world: bool = True) -> None:
    """Asserts that a dump is that of `data`."""
    assert found.utterances == [u.id for u in data] and found.speakers == [u.speaker for u in data]
    for i, utterance in enumerate(data):
        wave = audio.read_waveform(utterance.path, utterance.start, utterance.end)
        samples, expected = found.samples(i), loudness.normalise(wave).samples
        assert samples.dtype == np.int16 and len(samples) == world.count_frames(len(wave)) * world.FRAME
        assert np.array_equal(samples[: len(wave)], expected)
        assert not samples[len(wave) :].any(), "filled with silence"
        if with_world:
            assert np.array_equal(found.world(i), world.analyse(loudness.to_float(expected)).astype(np.float16))


@pytest.fixture
def mixed(small_data: DataDir, tmp_path: Path) -> DataDir:
    """`small_data` with an odd length, a segment, and bad recordings between and at the end."""
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    audio.write(tmp_path / "odd.wav", buzz(0.5, 150)[:7777])
    some = next(iter(small_data)).path
    return DataDir(
        [
            *small_data,
            Utterance("high-00", "high", str(tmp_path / "text.wav")),
            Utterance("high-part", "high", some, 0.1, 0.3),
            Utterance("odd-0", "odd", str(tmp_path / "odd.wav")),
            Utterance("odd-1", "odd", str(tmp_path / "empty.wav")),
            Utterance("odd-2", "odd", str(tmp_path / "missing.wav")),
        ]
    )


BAD = {"high-00", "odd-1", "odd-2"}


def good(mixed: DataDir) -> DataDir:
    return mixed.subset(utterances=[u.id for u in mixed if u.id not in BAD])


@pytest.fixture
def damaged(small_shards: Shards, tmp_path: Path) -> Path:
    """A copy of a dump, to damage."""
    return Path(shutil.copytree(small_shards.path, tmp_path / "dump"))


@pytest.fixture
def older(damaged: Path) -> Path:
    """The same dump as version 2 had it, to damage."""
    dump, index = read_shards(damaged), json.loads((damaged / "index.json").read_text())
    rows = zip(dump.utterances, dump.speakers, dump.shard, dump.first, dump.length, strict=True)
    (damaged / TEXT_TABLE).write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (damaged / TABLE).unlink()
    (damaged / "index.json").write_text(json.dumps(index | {"version": 2}))
    return damaged


def test_dumps_of_version_2_are_read_and_joined(older: Path, small_shards: Shards, small_data: DataDir, tmp_path: Path):
    same(read_shards(older), small_data)
    assert read_shards(older).fingerprint == small_shards.fingerprint
    joined = join_dumps([older], tmp_path / "joined")
    same(joined, small_data)
    assert joined.fingerprint == small_shards.fingerprint and (tmp_path / "joined" / TABLE).is_file()


def test_round_trip(small_shards: Shards, small_data: DataDir):
    same(small_shards, small_data)
    assert len(small_shards) == 8 and list_speakers([small_shards, small_shards]) == ["high", "low"]
    assert small_shards.seconds == pytest.approx(8.0, abs=0.1)


def test_parts(small_shards: Shards):
    whole, frames = small_shards.samples(3), small_shards.world(3)
    assert np.array_equal(small_shards.samples(3, 320, 800), whole[320:800])
    assert np.array_equal(small_shards.samples(3, 320, 10**9), whole[320:]), "not into the next utterance"
    assert np.array_equal(small_shards.world(3, 2, 5), frames[2:5])
    assert np.array_equal(small_shards.world(3, 2, 10**9), frames[2:])
    assert len(frames) * world.FRAME == len(whole)


@pytest.mark.parametrize("shard_samples", [1, 30_000, 1 << 29])
def test_several_shards_and_bad_recordings(mixed: DataDir, tmp_path: Path, shard_samples: int):
    found, skipped = write_shards(mixed, tmp_path / "dump", shard_samples=shard_samples)
    assert set(skipped.reasons) == BAD
    same(found, good(mixed), with_world=False)
    for part in found.audio_maps:
        assert len(part) <= shard_samples or (found.length == len(part)).any(), "more only for one utterance"
    assert len(found.audio_maps) == {1: 10, 30_000: 6, 1 << 29: 1}[shard_samples]
    assert not found.world_maps


def test_processes_and_world(mixed: DataDir, tmp_path: Path):
    found, skipped = write_shards(mixed, tmp_path / "dump", with_world=True, nj=2, shard_samples=50_000)
    same(found, good(mixed))
    assert set(skipped.reasons) == BAD and len(found.world_maps) == len(found.audio_maps) > 1


def test_command(mixed: DataDir, tmp_path: Path, capsys: pytest.CaptureFixture):
    mixed.write(tmp_path / "data")
    assert main(["dump", str(tmp_path / "data"), "--out", str(tmp_path / "dump")]) == SOME_SKIPPED
    said = capsys.readouterr().err
    assert "skipped odd-1" in said and "0 bytes" in said and "10 utterances" in said and "10 done, 3 skipped" in said
    same(read_shards(tmp_path / "dump"), good(mixed), with_world=False)
    mixed.subset(utterances=list(BAD)).write(tmp_path / "bad")
    assert main(["dump", str(tmp_path / "bad"), "--out", str(tmp_path / "none")]) == FAILED
    assert "none of 3 recordings" in capsys.readouterr().err
    with pytest.raises(ShardError, match="no complete dump"):
        read_shards(tmp_path / "none")


def test_dumping_again_leaves_nothing_of_the_old(small_data: DataDir, damaged: Path):
    (damaged / "statistics.mfcc.npy").write_bytes(b"of the old utterances")
    (damaged / ".audio.001.s16.4711.tmp.s16").write_bytes(b"of a dump that was killed")
    found, _ = write_shards(small_data.subset(speakers=["low"]), damaged)
    assert len(found) == 4
    assert sorted(os.listdir(damaged)) == ["audio.000.s16", "index.json", TABLE]


def test_a_killed_dump_is_no_dump(small_data: DataDir, damaged: Path, tmp_path: Path):
    small_data.write(tmp_path / "data")
    program = """
import os, sys
from vqspeech import audio
from vqspeech.data import dump
from vqspeech.data.datadir import DataDir
read, left = audio.read_audible_blocks, [3]
def read_audible_blocks(*arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    return read(*arguments)
audio.read_audible_blocks = read_audible_blocks
dump.write_shards(DataDir.read(sys.argv[1]), sys.argv[2], shard_samples=1)
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path / "data"), str(damaged)], cwd=ROOT)
    assert run.returncode == -9
    with pytest.raises(ShardError, match=r"no complete dump.*index\.json is missing.*run `vqspeech dump`"):
        read_shards(damaged)
    assert len(write_shards(small_data, damaged)[0]) == 8
    assert len(os.listdir(damaged)) == 3, "what the kill left is gone"


def test_a_full_disk_leaves_no_dump(small_data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_shards(small_data, tmp_path / "dump")
    assert not list((tmp_path / "dump").iterdir())


def test_shards_on_another_disk(small_shards: Shards, small_data: DataDir, damaged: Path, tmp_path: Path):
    index = json.loads((damaged / "index.json").read_text())
    other = tmp_path / "other disk"
    other.mkdir()
    for file in index["shards"]:
        for kind in ("audio", "world"):
            shutil.move(damaged / file[kind], other / file[kind])
            file[kind] = str(other / file[kind])
    (damaged / "index.json").write_text(json.dumps(index))
    same(read_shards(damaged), small_data)


def test_what_is_no_dump(damaged: Path, tmp_path: Path):
    for path in (tmp_path / "nowhere", tmp_path, damaged / "index.json"):
        with pytest.raises(ShardError, match="no complete dump here"):
            read_shards(path)


@pytest.mark.parametrize("name", ["index.json", TABLE, "audio.000.s16", "world.000.f16"])
@pytest.mark.parametrize("kept", [None, 0.0, 0.5, 0.97])
def test_every_file_must_be_whole(damaged: Path, name: str, kept: float | None):
    path = damaged / name
    if kept is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ShardError, match="run `vqspeech dump`"):
        read_shards(damaged)


def test_whole_lines_or_frames_that_are_missing(older: Path):
    lines = (older / TEXT_TABLE).read_text().splitlines(keepends=True)
    for content in ("".join(lines[:-1]), "".join(lines)[:-2]):
        (older / TEXT_TABLE).write_text(content)
        with pytest.raises(ShardError, match="its table of utterances is truncated"):
            read_shards(older)
    (older / TEXT_TABLE).write_text("".join(lines))
    frames = older / "world.000.f16"
    frames.write_bytes(frames.read_bytes()[: -2 * world.CHANNELS])
    with pytest.raises(ShardError, match="WORLD frames"):
        read_shards(older)


@pytest.mark.parametrize(
    "index", ["{}", "[]", "null", '{"format": "other", "version": 1}', '{"format": "vqspeech-shards", "version": 99}']
)
def test_another_index(damaged: Path, index: str):
    (damaged / "index.json").write_text(index)
    with pytest.raises(ShardError, match="run `vqspeech dump`"):
        read_shards(damaged)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("shard", lambda one: one + 7, "samples that no shard has"),
        ("first", lambda one: one - 1, "samples that no shard has"),
        ("first", lambda one: one + 10**9, "shorter than its index"),
        ("length", lambda one: one[:-1], "do not belong together"),
        ("length", lambda one: one.astype(np.float64), "do not belong together"),
        ("length", lambda one: one // 2, "is truncated or changed"),
        ("speaker", lambda one: one + 1, "speakers without a name"),
        ("speaker", lambda one: one.astype(np.int64), "speakers are not numbers"),
        ("utterance.ends", lambda one: one[::-1].copy(), "do not end where they should"),
        ("utterance.ends", lambda one: one - one[-1], "do not end where they should"),
        ("utterance.ends", lambda one: np.concatenate([one[1::-1], one[2:]]), "do not end where they should"),
        ("utterance.ends", lambda one: one + 1, "do not end where they should"),
        ("utterance.text", lambda one: one | 128, "utf-8"),
        ("utterance.text", lambda one: one.astype(np.int16), "not bytes"),
    ],
)
def test_a_table_that_contradicts_itself(damaged: Path, column, change, message):
    columns = load_file(damaged / TABLE)
    save_file(columns | {column: change(columns[column])}, damaged / TABLE)
    with pytest.raises(ShardError, match=message):
        read_shards(damaged)


def test_a_dump_of_before_the_counts(damaged: Path, small_data: DataDir):
    index = json.loads((damaged / "index.json").read_text())
    del index["utterances"], index["samples"]
    (damaged / "index.json").write_text(json.dumps(index))
    same(read_shards(damaged), small_data)


def test_a_dump_may_have_more_than_a_thousand_million_samples(tmp_path: Path):
    length, count = np.int64(SHARD_SAMPLES), 9
    rows = [(f"s-{i}", "s", i, 0, length) for i in range(count)]
    for i in range(count):
        with open(tmp_path / f"audio.{i:03d}.s16", "wb") as holes:
            holes.truncate(2 * length)
    files = [{"audio": f"audio.{i:03d}.s16"} for i in range(count)]
    _write_index(tmp_path, files, make_table(rows), "0" * 64, {})
    dump = read_shards(tmp_path)
    assert dump.seconds == count * SHARD_SAMPLES / audio.RATE and not dump.samples(8, int(length) - 5).any()


def test_genders(small_data: DataDir, tmp_path: Path):
    known = DataDir(replace(one, gender="f" if one.speaker == "high" else None) for one in small_data)
    assert write_shards(known, tmp_path / "a")[0].genders == {"high": "f"}
    index = json.loads((tmp_path / "a" / "index.json").read_text())
    del index["genders"]
    (tmp_path / "a" / "index.json").write_text(json.dumps(index))
    assert read_shards(tmp_path / "a").genders == {}, "a dump from before they were written"


@pytest.mark.parametrize(
    "change",
    [
        {"shards": []}, {"shards": [3]}, {"shards": [{"audio": 3}]}, {"samples": []}, {"samples": "x"},
        {"utterances": -1}, {"genders": []}, {"sha256": 5}, {"shards": None},
    ],
)  # fmt: skip
def test_whatever_the_index_says(damaged: Path, change):
    index = json.loads((damaged / "index.json").read_text())
    (damaged / "index.json").write_text(json.dumps(index | change))
    with pytest.raises(ShardError, match="the dump is damaged .*index.json.*; run `vqspeech dump` again"):
        read_shards(damaged)


def test_a_number_that_is_far_too_large(older: Path):
    table = older / TEXT_TABLE
    table.write_text(table.read_text().replace("\t0\t", "\t" + "9" * 30 + "\t"))
    with pytest.raises(ShardError, match="the dump is damaged"):
        read_shards(older)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.integers(-9, 9), st.integers(-9, 9))
def test_strings_in_columns_are_those_strings(strings, start, stop):
    for columns in (Names.pack(strings), Categories.pack(strings)):
        assert list(columns) == strings and columns == strings and len(columns) == len(strings)
        assert columns[start:stop] == strings[start:stop] and [columns[i] for i in range(len(strings))] == strings
        assert columns != [*strings, ""] and (not strings or columns[-1] == strings[-1])
        with pytest.raises(IndexError):
            columns[len(strings)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")
def test_a_dump_may_have_more_files_than_a_process_may_open(small_data: DataDir, tmp_path: Path):
    write_shards(small_data, tmp_path / "dump", with_world=True, shard_samples=1)
    program = """
import resource, sys
from vqspeech.data import dump, dump_index
dump_index._OPEN = 2
found = dump.read_shards(sys.argv[1])
import os
room = len(os.listdir("/proc/self/fd")) + 5
resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))
print(sum(int(found.samples(i).sum()) + len(found.world(i)) for i in range(len(found))))
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path / "dump")], cwd=ROOT, capture_output=True)
    dump = read_shards(tmp_path / "dump")
    expected = sum(int(dump.samples(i).sum()) + len(dump.world(i)) for i in range(len(dump)))
    assert run.returncode == 0 and int(run.stdout) == expected, run.stderr


def test_what_a_dump_hashes_to(small_data: DataDir, tmp_path: Path):
    """The same utterances in other files hash to the same, others do not; neither do those of older dumps."""
    one, _ = write_shards(small_data, tmp_path / "one", with_world=True)
    many, _ = write_shards(small_data, tmp_path / "many", with_world=True, nj=2, shard_samples=20_000)
    assert one.fingerprint == many.fingerprint and len(many.audio_maps) > 1
    found = {one.fingerprint, write_shards(small_data, tmp_path / "bare")[0].fingerprint}
    renamed = DataDir([replace(one, speaker="l") if one.id == "low-3" else one for one in small_data])
    found.add(write_shards(renamed, tmp_path / "renamed", with_world=True)[0].fingerprint)
    index = json.loads((tmp_path / "one" / "index.json").read_text())
    (tmp_path / "one" / "index.json").write_text(json.dumps({key: index[key] for key in index if key != "sha256"}))
    found.add(read_shards(tmp_path / "one").fingerprint)
    audio = np.memmap(tmp_path / "one" / "audio.000.s16", np.int16, "r+")
    audio[5] += 1
    audio.flush()
    found.add(read_shards(tmp_path / "one").fingerprint)
    assert len(found) == 5 and all(len(one) == 64 for one in found)
