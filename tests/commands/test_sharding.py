"""Verbs in shards: the same output as in one piece, and proof that nothing is missing, twice or changed."""

import errno
import json
import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.test_speech import written
from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.commands import dump as dump_verb
from vqspeech.commands import encode
from vqspeech.data.datadir import DataDir
from vqspeech.data.dump import read_shards
from vqspeech.data.sharding import Shard, _hash_content, divide_evenly, list_shards, name_shard
from vqspeech.errors import FAILED, SOME_SKIPPED, ShardError
from vqspeech.metrics.reports.scores import this_command

BROKEN = ("low-3.wav", "mid-1.wav")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Path:
    """A working directory with a corpus of three speakers in which two files are broken, and its data directory."""
    monkeypatch.setenv("VQSPEECH_MODEL", str(checkpoint))
    monkeypatch.chdir(tmp_path)
    for speaker, f0 in (("low", 105.0), ("mid", 150.0), ("high", 210.0)):
        for i in range(5):
            audio.write(Path("corpus", speaker, f"{i}.wav"), buzz(0.2 + 0.1 * i, f0, i))
    assert main(["prepare", "folder", "--corpus", "corpus", "--out", "data"]) == 0
    for name in BROKEN:
        Path("corpus", *name.split("-")).write_bytes(b"RIFF no sound")
    return tmp_path


VERBS = {
    "prepare": ["prepare", "folder", "--corpus", "corpus"],
    "dump": ["dump", "data", "--world"],
    "encode": ["encode", "--data", "data"],
    "encode a folder": ["encode", "--src", "corpus"],
    "convert": ["convert", "--data", "data", "--speaker", "low", "high", "--exact"],
}


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, its side file, or the files of a folder; of a dump what an utterance has."""
    if (path / "index.json").is_file():
        dump = read_shards(path)
        found = {name: dump.samples(i).tobytes() + dump.world(i).tobytes() for i, name in enumerate(dump.utterances)}
        return found | {"sha256": dump.fingerprint.encode()}
    files = [path, Path(f"{path}.json")] if path.is_file() else [Path(path, name) for name in written(path)]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if not file.name.endswith(".json")} | {
        "": b"" if path.is_dir() else Path(f"{path}.json").read_bytes()
    }


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("count", [1, 4, 20])
def test_joined_shards_are_the_whole(name: str, count: int, capsys: pytest.CaptureFixture):
    assert main([*VERBS[name], "--out", "whole"]) == SOME_SKIPPED
    capsys.readouterr()
    statuses = {main([*VERBS[name], "--out", "out", "--shard", f"{i}/{count}"]) for i in range(1, count + 1)}
    assert statuses == ({SOME_SKIPPED} if count == 1 else {0, SOME_SKIPPED})
    capsys.readouterr()
    assert main(["gather", "out"]) == SOME_SKIPPED
    said = capsys.readouterr()
    assert "13 of 15 utterances" in said.out and f"from {count} shards" in said.out
    assert all(broken.removesuffix(".wav").replace("-", "/") in said.err.replace("-", "/") for broken in BROKEN)
    assert contents(Path("out")) == contents(Path("whole"))


def test_a_second_run_makes_only_what_is_missing(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    words = [*VERBS["encode"], "--out", "units", "--shards", "4"]
    assert main(words) == SOME_SKIPPED
    before = Path("units").read_bytes()
    shutil.rmtree(Path(name_shard("units", Shard(3, 4))))
    ages = {path: path.stat().st_mtime_ns for path in Path("units.shards").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(words) == SOME_SKIPPED
    assert capsys.readouterr().err.count("was made before") == 3 and Path("units").read_bytes() == before
    assert all(path.stat().st_mtime_ns == age for path, age in ages.items())
    # The broken recording is replaced by a whole one: its shard is made again, and no other.
    audio.write(Path("corpus/mid/1.wav"), buzz(0.3, 150, 1))
    assert main(words) == SOME_SKIPPED
    assert capsys.readouterr().err.count("was made before") == 3
    assert Path("units").read_text().startswith("high-0 ") and "\nmid-1 " in Path("units").read_text()


def test_a_shard_appears_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(encode, "write_units", stop)
        assert main([*VERBS["encode"], "--out", "units", "--shard", "1/2"]) == 130
    assert os.listdir("units.shards") == []
    assert main([*VERBS["encode"], "--out", "units", "--shard", "1/2"]) in (0, SOME_SKIPPED)
    assert os.listdir("units.shards") == ["1-of-2"]


def damage_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def write_manifest(folder: Path, manifest: dict) -> None:
    """Write a manifest that is wrong, but whole."""
    del manifest["manifest_sha256"]
    manifest["manifest_sha256"] = _hash_content(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def drop_id(path: Path) -> None:
    manifest = json.loads((path.parent / "manifest.json").read_text())
    for key in ("ids", "seconds", "done"):
        manifest[key] = manifest[key][1:]
    write_manifest(path.parent, manifest)


def repeat_id(path: Path) -> None:
    manifest = json.loads((path.parent / "manifest.json").read_text())
    manifest["ids"][0] = manifest["ids"][1]
    manifest["done"] = sorted(set(manifest["done"]) & set(manifest["ids"]))
    write_manifest(path.parent, manifest)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda path: shutil.rmtree(path.parent),
            "1 of 3 shards are missing (2); run the same command with --shard 2/3",
        ),
        (damage_file, "not as it was written"),
        (lambda path: path.unlink(), "not as it was written"),
        (lambda path: (path.parent / "manifest.json").unlink(), "manifest.json: missing; make the shard again"),
        (lambda path: damage_file(path.parent / "manifest.json"), "manifest.json: damaged"),
        (lambda path: (path.parent.parent / "1-of-2").mkdir(), "shards of 2 and of 3"),
        (drop_id, "14 utterances, 0 of them twice, where 15 were divided"),
        (repeat_id, "15 utterances, 1 of them twice, where 15 were divided"),
    ],
)
def test_faults_are_found(harm, message: str, capsys: pytest.CaptureFixture):
    for i in (1, 2, 3):
        main([*VERBS["encode"], "--out", "units", "--shard", f"{i}/3"])
    harm(Path(name_shard("units", Shard(2, 3))) / "units")
    capsys.readouterr()
    assert main(["gather", "units"]) == FAILED
    assert message in capsys.readouterr().err and not Path("units").exists()


def test_shards_of_other_options_or_models_are_not_mixed(checkpoint: Path, capsys: pytest.CaptureFixture):
    main([*VERBS["dump"], "--out", "out", "--shard", "1/2"])
    main(["dump", "data", "--out", "out", "--shard", "2/2"])
    capsys.readouterr()
    assert main(["gather", "out"]) == FAILED
    assert "2-of-2: its world is not that of shard 1" in capsys.readouterr().err
    from tests.models.test_vqvae import model as small_model

    small_model(speakers=("x", "y")).save_pretrained("other.safetensors")
    main([*VERBS["encode"], "--out", "units", "--shard", "1/2"])
    main([*VERBS["encode"], "--out", "units", "--shard", "2/2", "--model", "other.safetensors"])
    assert main(["gather", "units"]) == FAILED
    assert "2-of-2: its model is not that of shard 1" in capsys.readouterr().err


def test_a_damaged_dump_is_not_joined(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vqspeech.data.sharding._HASHED", 0)  # as if its files were too large for the manifest
    for i in (1, 2):
        main([*VERBS["dump"], "--out", "out", "--shard", f"{i}/2"])
    path = Path(name_shard("out", Shard(2, 2))) / "out" / "audio.000.s16"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    capsys.readouterr()
    assert main(["gather", "out"]) == FAILED
    assert "its samples are not as they were written" in capsys.readouterr().err
    assert not Path("out/index.json").exists()


@pytest.mark.parametrize("name", ["dump", "encode"])
def test_a_flipped_byte_is_found_wherever_it_is(name: str):
    """Or it changes nothing: a blank of JSON that became another one."""
    for i in (1, 2):
        main([*VERBS[name], "--out", "out", "--shard", f"{i}/2"])
    right, generator = list_shards("out"), np.random.default_rng(0)
    for path in [one for one in Path(name_shard("out", Shard(2, 2))).rglob("*") if one.is_file()]:
        whole = path.read_bytes()
        for at in generator.integers(0, len(whole), 30).tolist():
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(generator.integers(8))]) + whole[at + 1 :])
            try:
                assert list_shards("out") == right and path.name == "manifest.json", (path, at)
            except ShardError as error:
                assert "2-of-2" in str(error) or "is not that of shard 1" in str(error)
        path.write_bytes(whole)
    assert list_shards("out") == right


@pytest.mark.parametrize("name", ["prepare", "dump", "encode", "convert"])
def test_a_full_disk_leaves_no_shard(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    words = [*VERBS[name], "--out", "out", "--shard", "1/2"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        assert main(words) == FAILED
    assert "No space left" in capsys.readouterr().err and not list(Path().rglob("*-of-*"))
    assert main(words) in (0, SOME_SKIPPED)
    assert os.listdir("out.shards") == ["1-of-2"]


def test_features_and_runs_of_shards():
    words = [*VERBS["encode"], "--features", "features", "--runs", "runs"]
    assert main([*words, "--out", "whole"]) == SOME_SKIPPED
    before = {name: Path("features", name).read_bytes() for name in written("features")}, Path("runs").read_bytes()
    shutil.rmtree("features")
    Path("runs").unlink()
    assert main([*words, "--out", "units", "--shards", "3"]) == SOME_SKIPPED
    assert (
        {name: Path("features", name).read_bytes() for name in written("features")},
        Path("runs").read_bytes(),
    ) == before


def test_two_processes_at_the_same_shard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """The one that comes second finds a whole shard where it was about to write its own."""
    words = [*VERBS["dump"], "--out", "out", "--shard", "1/2"]
    write, replace = dump_verb.write_shards, os.replace

    def write_after_the_other(*arguments, **options):
        monkeypatch.setattr(dump_verb, "write_shards", write)
        assert main(words) in (0, SOME_SKIPPED)
        monkeypatch.setattr(os, "replace", fail)
        return write(*arguments, **options)

    def fail(source, target):
        if Path(target).name == "1-of-2" and Path(source).suffix == ".tmp":
            raise OSError(39, "Directory not empty")
        replace(source, target)

    monkeypatch.setattr(dump_verb, "write_shards", write_after_the_other)
    assert main(words) in (0, SOME_SKIPPED)
    assert read_shards(Path(name_shard("out", Shard(1, 2))) / "out").utterances[0] == "high-0"


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "1/2/3"])
def test_what_is_no_shard(text: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["dump", "data", "--out", "o", "--shard", text])
    assert "is not a shard I/N" in capsys.readouterr().err


def test_no_shards(capsys: pytest.CaptureFixture):
    assert main(["gather", "nowhere"]) == FAILED
    assert "nowhere.shards: no shards" in capsys.readouterr().err
    assert main(["convert", "--src", "corpus", "--speaker", "low", "--shard", "1/2"]) == FAILED
    assert "need a folder as --out" in capsys.readouterr().err


def test_alignments_in_shards(capsys: pytest.CaptureFixture):
    """Imported ones; a shard of which nothing is aligned keeps its utterances."""
    for name in DataDir.read("data").utterances:
        if not name.startswith("high"):
            Path("labels").mkdir(exist_ok=True)
            Path("labels", f"{name}.lab").write_text("0 1000000 AA\n1000000 2000000 S\n")
    words = ["align", "data", "--from", "labels"]
    assert main([*words, "--out", "whole"]) == SOME_SKIPPED
    assert main([*words, "--out", "out", "--shards", "5"]) == SOME_SKIPPED
    assert DataDir.read("out") == DataDir.read("whole") and len(DataDir.read("out")) == 15


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_division(seconds: list[float], count: int):
    ends = divide_evenly(seconds, count)
    assert len(ends) == count + 1 and ends[0] == 0 and ends[-1] == len(seconds) and ends == sorted(ends)
    known = [one for one in seconds if one > 0]
    weights = np.array([one or (sum(known) / len(known) if known else 1.0) for one in seconds])
    for first, last in pairwise(ends):
        assert abs(weights[first:last].sum() - weights.sum() / count) <= weights.max(initial=0) * (1 + 1e-6) + 1e-9


def score(out: str, *more: str) -> int:
    return main(["score", "units", "--units", "units", "--data", "labelled", "--out", out, *more])


def figures(out: str) -> dict:
    """Return rows and notes of a scores file."""
    sections = json.loads(Path(out).read_text())["sections"]
    return {name: (one["rows"], one["notes"], one["seed"], one["details"]) for name, one in sections.items()}


@pytest.fixture
def labelled() -> None:
    """Units, and a data directory with alignments: one is missing, one is damaged, one has strange labels."""
    assert main([*VERBS["encode"], "--out", "units"]) == SOME_SKIPPED
    random, found = np.random.default_rng(0), []
    for i, one in enumerate(DataDir.read("data")):
        path = Path("labels", f"{one.id}.lab")
        path.parent.mkdir(exist_ok=True)
        ends = np.linspace(0, 1e7 * (one.seconds or 0), 5).astype(int)
        names = random.choice(["AA", "S", "K", "IY", "sil"], 4) if i != 4 else ["##"] * 4
        lines = [f"{a} {b} {name}" for a, b, name in zip(ends, ends[1:], names, strict=False)]
        path.write_text("\n".join(lines) + "\n" if i != 6 else "no alignment\n")
        found.append(replace(one, alignment=None if i == 2 else str(path.resolve())))
    DataDir(found).write("labelled")


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("count", [1, 3, 20])
def test_scores_of_units_in_shards_are_those_of_all(count: int, capsys: pytest.CaptureFixture):
    assert score("whole.json", "--abx") == SOME_SKIPPED
    whole = capsys.readouterr()
    statuses = {score("part.json", "--abx", "--shard", f"{i}/{count}") for i in range(1, count + 1)}
    assert statuses <= {0, SOME_SKIPPED} and not Path("part.json").exists()
    read = capsys.readouterr()
    assert main(["gather", "part.json"]) == SOME_SKIPPED
    tables = ("units", "units: phones", "units: boundaries", "units: speakers", "units: ABX")
    assert tuple(figures("whole.json")) == tables
    assert figures("part.json") == figures("whole.json")
    joined = capsys.readouterr()
    tables, last = joined.out.rstrip().rsplit("\n", 1)
    assert tables.rstrip() == whole.out.rstrip() and last.startswith("part.json: 13 of 13 utterances")
    warned = [[line for line in text.splitlines() if "skipped high-4" in line] for text in (whole.err, read.err)]
    assert warned[0] == warned[1] and len(warned[0]) == 1
    section = json.loads(Path("part.json").read_text())["sections"]["units"]
    assert section["command"] == f"{this_command()}; {this_command()}", "those of a shard and of gather"


@pytest.mark.usefixtures("labelled")
def test_scores_of_units_that_changed_after_their_shards_are_refused(capsys: pytest.CaptureFixture):
    assert score("whole.json", "--shards", "2") == SOME_SKIPPED and figures("whole.json")
    Path("labels/high-1.lab").write_text("0 9000000 AA\n")
    capsys.readouterr()
    assert score("whole.json", "--shards", "2") == SOME_SKIPPED
    assert capsys.readouterr().err.count("was made before") == 1, "of the other shard the alignments are as they were"
    DataDir(list(DataDir.read("labelled"))[1:]).write("labelled")
    capsys.readouterr()
    assert main(["gather", "whole.json"]) == FAILED
    assert "are not those that were read in shards" in capsys.readouterr().err
    assert score("whole.json", "--shards", "2") == SOME_SKIPPED  # are made again
    path = next(Path("whole.json.shards").rglob("observed.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    assert main(["gather", "whole.json"]) == FAILED
    assert "not as it was written" in capsys.readouterr().err
