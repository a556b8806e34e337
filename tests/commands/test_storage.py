"""Data from elsewhere: tars, manifests and URLs as sources of verbs, and `copy`, which writes them."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir
from vqspeech.data.dump import read_shards
from vqspeech.data.tars import write_tars
from vqspeech.data.units import read_units
from vqspeech.errors import FAILED, SOME_SKIPPED
from vqspeech.uploads import MANIFEST


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Path:
    """A working directory with a corpus of two speakers, and its data directory."""
    monkeypatch.setenv("VQSPEECH_MODEL", str(checkpoint))
    monkeypatch.setenv("VQSPEECH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for speaker, f0 in (("low", 105.0), ("high", 210.0)):
        for i in range(3):
            audio.write(Path("corpus", speaker, f"{i}.wav"), buzz(0.2 + 0.1 * i, f0, i))
            Path("corpus", speaker, f"{i}.txt").write_text(f"sentence {i}")
    assert main(["prepare", "folder", "--corpus", "corpus", "--out", "data"]) == 0
    return tmp_path


def dumped(data: str) -> dict[str, tuple[str, bytes]]:
    """Return speaker and samples of each utterance in the dump of `data`."""
    out = f"dump-{len(list(Path().glob('dump-*')))}"
    assert main(["dump", data, "--out", out]) == 0
    dump = read_shards(out)
    return {name: (dump.speakers[i], dump.samples(i).tobytes()) for i, name in enumerate(dump.utterances)}


def encoded(*source: str) -> dict[str, list[int]]:
    assert main(["encode", *source, "--out", "units.txt"]) == 0
    return {name: codes.tolist() for name, codes in read_units("units.txt").codes.items()}


def test_tars_are_a_source_without_being_unpacked(capsys: pytest.CaptureFixture):
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == 0
    assert capsys.readouterr().out.endswith("tars: 6 utterances of 2 speakers, 0.0 min\n")
    expected = dumped("data")
    assert dumped("tars") == expected and dumped("tars/000000.tar") == expected
    assert encoded("--data", "tars") == encoded("--data", "data")
    assert main(["prepare", "webdataset", "--corpus", "tars", "--out", "again", "--nj", "2"]) == 0
    assert dumped("again") == expected
    assert [(one.text, one.seconds) for one in DataDir.read("again")] == [
        (one.text, one.seconds) for one in DataDir.read("data")
    ]


def test_shards_of_tars_are_those_of_the_whole():
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == 0
    whole = encoded("--data", "tars")
    for i in (1, 2, 3):
        assert main(["encode", "--data", "tars", "--out", "parts.txt", "--shard", f"{i}/3"]) == 0
    assert main(["gather", "parts.txt"]) == 0
    assert {name: codes.tolist() for name, codes in read_units("parts.txt").codes.items()} == whole


@pytest.mark.parametrize("nj", ["1", "2"])
def test_a_tar_is_read_from_its_beginning_to_its_end(nj: str):
    order = list(DataDir.read("data"))[::-1]
    write_tars(order, Path("tars"))
    assert main(["dump", "tars", "--out", "dump", "--nj", nj]) == 0
    dump = read_shards("dump")
    assert dump.utterances == [one.id for one in order], "as they lie in the tar, not by their ids"
    assert (np.diff(dump.first) > 0).all()


def test_a_broken_tar_costs_its_own_utterances(capsys: pytest.CaptureFixture):
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == 0
    Path("tars/000001.tar").write_bytes(b"broken" * 500)
    assert main(["encode", "--data", "tars", "--out", "units.txt"]) == SOME_SKIPPED
    assert "skipped tars/000001.tar" in capsys.readouterr().err.replace(f"{Path.cwd()}/", "")
    assert len(read_units("units.txt").codes) == 6


@pytest.mark.parametrize("target", ["lhotse", "shar"])
def test_manifests_of_lhotse_are_a_source(target: str):
    pytest.importorskip("lhotse")
    assert main(["copy", "data", "--to", target, "--out", "manifests", "--nj", "2"]) == 0
    expected = dumped("data")
    assert dumped("manifests") == expected
    assert main(["prepare", "lhotse", "--corpus", "manifests", "--out", "again"]) == 0
    assert dumped("again") == expected


def test_copy_keeps_what_is_there(capsys: pytest.CaptureFixture):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    assert main(["copy", "data", "--to", "webdataset", "--out", "full"]) == FAILED
    assert "full: is not empty" in capsys.readouterr().err and Path("full/mine.txt").read_text() == "mine"
    Path("corpus/low/1.wav").write_text("no sound")
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == SOME_SKIPPED
    assert "skipped low-1: " in capsys.readouterr().err
    assert sorted(dumped("tars")) == ["high-0", "high-1", "high-2", "low-0", "low-2"]


def test_urls(here: Path):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    expected, units = dumped("data"), encoded("--data", "data")
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == 0
    memory.put("tars", "/bucket/tars", recursive=True)
    assert dumped("memory://bucket/tars") == expected
    assert encoded("--data", "memory://bucket/tars") == units
    memory.put("corpus", "/bucket/corpus", recursive=True)
    remote = DataDir.read("data")
    for file in Path("data").iterdir():
        content = file.read_text().replace(str(here), "memory://bucket")
        memory.pipe(f"/bucket/data/{file.name}", content.encode())
    memory.pipe("/bucket/data/large.bin", b"not copied")
    read = DataDir.read("memory://bucket/data")
    assert list(read.utterances) == list(remote.utterances)
    assert next(iter(read)).path == "memory://bucket/corpus/high/0.wav"
    assert dumped("memory://bucket/data") == expected
    assert not list(Path("cache").rglob("large.bin"))
    memory.store.clear()


def test_dumps_and_models_of_urls(checkpoint: Path):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    expected = dumped("data")
    memory.put("dump-0", "/bucket/dump", recursive=True)
    dump = read_shards("memory://bucket/dump")
    assert {name: (dump.speakers[i], dump.samples(i).tobytes()) for i, name in enumerate(dump.utterances)} == expected
    memory.put(str(checkpoint), "/bucket/exp/best.safetensors")
    units = encoded("--data", "data")
    assert encoded("--data", "data", "--model", "memory://bucket/exp/best.safetensors") == units
    assert encoded("--data", "data", "--model", "memory://bucket/exp") == units
    assert main(["encode", "--data", "data", "--model", "memory://bucket/none", "--out", "x"]) == FAILED
    memory.store.clear()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return age and size of all that is below a folder: whatever is made or removed there changes a folder's age."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_nothing_is_written_beside_sources(checkpoint: Path):
    """Data directory, recordings, tars, dump and model may be on file systems that cannot be written."""
    assert main(["copy", "data", "--to", "webdataset", "--out", "tars"]) == 0
    places = [Path("data"), Path("corpus"), Path("tars"), checkpoint.parent]
    before = [snapshot(place) for place in places]
    modes = [(place, place.stat().st_mode) for place in places]
    for place, _ in modes:
        place.chmod(0o555)
    try:
        for data in ("data", "tars"):
            dumped(data)
            encoded("--data", data)
            out = f"out-{data}"
            assert main(["convert", "--data", data, "--speaker", "low", "--out", out]) == 0
            assert main(["dump", data, "--out", f"sharded-{data}", "--shards", "2"]) == 0
        assert main(["validate", "data"]) == 0
        assert main(["encode", "--src", "corpus", "--out", "folder.txt"]) == 0
        assert [snapshot(place) for place in places] == before
    finally:
        for place, mode in modes:
            place.chmod(mode)
    one = audio.read_waveform("out-data/low/low-1.wav")
    assert np.array_equal(one, audio.read_waveform("out-tars/low/low-1.wav"))


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def read_dump(path: str) -> dict[str, tuple[str, bytes]]:
    dump = read_shards(path)
    return {name: (dump.speakers[i], dump.samples(i).tobytes()) for i, name in enumerate(dump.utterances)}


def test_outputs_at_urls(memory: Any, capsys: pytest.CaptureFixture):
    expected = dumped("data")
    assert main(["prepare", "folder", "--corpus", "corpus", "--out", "memory://bucket/data"]) == 0
    assert DataDir.read("memory://bucket/data") == DataDir.read("data")
    assert main(["subset", "memory://bucket/data", "--speakers", "low", "--out", "memory://bucket/low"]) == 0
    assert main(["subset", "data", "--speakers", "high", "--out", "memory://bucket/high"]) == 0
    both = ["combine", "memory://bucket/low", "memory://bucket/high", "--out", "memory://bucket/both"]
    assert main(both) == 0 and DataDir.read("memory://bucket/both") == DataDir.read("data")
    capsys.readouterr()
    assert main(["dump", "memory://bucket/both", "--out", "memory://bucket/dump", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dump"] == "memory://bucket/dump"
    assert read_dump("memory://bucket/dump") == expected
    assert main(["copy", "data", "--to", "webdataset", "--out", "memory://bucket/tars"]) == 0
    assert dumped("memory://bucket/tars") == expected
    units = encoded("--data", "data")
    assert main(["encode", "--data", "data", "--out", "memory://bucket/u.txt", "--runs", "runs.txt"]) == 0
    assert {name: codes.tolist() for name, codes in read_units("memory://bucket/u.txt").codes.items()} == units
    assert Path("runs.txt").is_file()
    sizes = {path: one["size"] for path, one in memory.find("/bucket", detail=True).items()}
    assert main(["dump", "memory://bucket/both", "--out", "memory://bucket/dump"]) == 0, "over an older one"
    assert {path: one["size"] for path, one in memory.find("/bucket", detail=True).items()} == sizes


def test_an_output_at_a_url_that_cannot_be_is_refused_before_any_work(
    memory: Any, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, checkpoint: Path
):
    assert main(["dump", "data", "--out", "memory://bucket/dump"]) == 0
    memory.pipe("/bucket/full/mine.txt", b"mine")
    stored = {name: memory.cat(name) for name in memory.find("/bucket")}
    here, url = sorted(os.listdir()), "memory://bucket/new"
    commands = {
        ("align", "data", "--out", url): "is a URL, and this output must be on this machine",
        ("split", "data", "--out", url): "is a URL, and this output must be on this machine",
        ("train", "--conf", "mini_world", "--train", "d", "--dev", "d", "--out", url): "is a URL, and this output",
        ("score", "units", "--units", "u", "--data", "data", "--out", url): "is a URL, and this output",
        ("encode", "--data", "data", "--out", "units", "--features", url): "is a URL, and this output",
        ("convert", "--data", "data", "--speaker", "low", "--out", url): "in shards only; add --shards N",
        ("voice", "make", "corpus/low/0.wav", "--out", f"{url}.voice"): "is a URL, and this output",
        ("subset", "data", "--out", "memory://bucket/dump"): "is a dump, which a data directory would replace",
        ("dump", "data", "--out", "memory://bucket/full/"): "holds mine.txt, which no upload has put there",
        ("dump", "data", "--out", "memory://bucket/full", "--shards", "2"): "holds mine.txt",
        ("gather", "memory://bucket/none"): "memory://bucket/none.shards: no shards",
        ("encode", "--data", "data", "--out", "nowhere://x/y"): "Protocol not known",
    }
    for command, message in commands.items():
        assert main([*command]) == FAILED, command
        assert message in capsys.readouterr().err, command
    assert sorted(os.listdir()) == here and {name: memory.cat(name) for name in memory.find("/bucket")} == stored
    assert main(["subset", "data", "--out", "memory://bucket/sub"]) == 0
    assert main(["subset", "memory://bucket/sub", "--speakers", "low", "--out", "memory://bucket/sub/"]) == FAILED
    assert "is the data directory itself" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["prepare", "dump", "encode", "convert"])
def test_shards_at_urls_are_those_of_this_machine(tmp_path: Path, verb: str, capsys: pytest.CaptureFixture):
    """By processes that see the same files: `file://`."""
    command = {
        "prepare": ["prepare", "folder", "--corpus", "corpus"],
        "dump": ["dump", "data", "--world"],
        "encode": ["encode", "--data", "data"],
        "convert": ["convert", "--data", "data", "--speaker", "low", "--exact"],
    }[verb]
    assert main([*command, "--out", "out", "--shards", "2"]) == 0
    url = f"file://{tmp_path}/bucket/out"
    assert main([*command, "--out", url, "--shards", "2", "--nj", "2"]) == 0
    expected = read_files(Path("out"))
    found = {name: one for name, one in read_files(Path("bucket/out")).items() if not name.endswith(MANIFEST)}
    assert found == expected and expected
    assert not list(Path("cache").rglob("*")), "nothing of it stays in the cache"
    # One shard is lost: it alone is made again.
    shutil.rmtree("bucket/out.shards/2-of-2")
    ages = {path: path.stat().st_mtime_ns for path in Path("bucket/out.shards").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main([*command, "--out", url, "--shards", "2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    said = capsys.readouterr()
    assert f"{url}: 6 of 6 utterances" in said.out and f"{url}.shards/1-of-2: was made before" in said.err
    assert read_files(Path("bucket/out.shards")).keys() > {"1-of-2/manifest.json", "2-of-2/manifest.json"}
    # One that is not whole is refused by name.
    next(Path("bucket/out.shards/1-of-2").rglob(MANIFEST)).unlink()
    assert main(["gather", url]) == FAILED
    assert f"{url}.shards/1-of-2: no upload of this toolkit" in capsys.readouterr().err
    shutil.rmtree("bucket/out.shards/1-of-2")
    assert main(["gather", url]) == FAILED
    assert f"{url}.shards: 1 of 2 shards are missing" in capsys.readouterr().err


def read_files(path: Path) -> dict[str, bytes]:
    """Return the contents of a folder, or of a file and those beside it."""
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    return {one.name: one.read_bytes() for one in path.parent.glob(f"{path.name}*") if one.is_file()}
