"""Manifests of lhotse, written by lhotse and read by us, and the other way round."""

import gzip
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.data.corpora.lhotse import prepare
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.manifests import write_manifests, write_shar
from vqspeech.data.sources import read_data
from vqspeech.errors import CorpusError, DataDirError, ShardError
from vqspeech.jobs import Skipped

lhotse = pytest.importorskip("lhotse")


@pytest.fixture(autouse=True)
def backend():
    """Lhotse reads by soundfile: torchaudio's compiled half needs the very build of torch."""
    with import_module("lhotse.audio.backend").audio_backend("LibsndfileBackend"):
        yield


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    for name, seconds in (("a", 1.0), ("b", 0.5), ("c", 0.7)):
        audio.write(folder / f"{name}.wav", buzz(seconds, 150))
    return folder


def supervision(name: str, recording: str, start: float, duration: float, **more):
    return lhotse.SupervisionSegment(name, recording, start, duration, **more)


@pytest.fixture
def sets(sounds: Path):
    """Recordings a, b, c, and supervisions: two of a, all of b, none of c."""
    recordings = lhotse.RecordingSet.from_recordings(
        lhotse.Recording.from_file(path) for path in sorted(sounds.iterdir())
    )
    supervisions = lhotse.SupervisionSet.from_segments(
        [
            supervision("a-0", "a", 0.0, 0.4, text="one  two", speaker="s1", gender="F"),
            supervision("s1-1", "a", 0.4, 0.6, speaker="s1", gender="female"),
            supervision("b-0", "b", 0.0, 0.5, text="three", speaker="s 2"),
        ]
    )
    return recordings, supervisions


def check(found: DataDir, sounds: Path) -> None:
    a, b, c = (str(sounds / f"{name}.wav") for name in "abc")
    assert list(found) == [
        Utterance("c", "c", c, seconds=0.7),
        Utterance("s1-1", "s1", a, 0.4, 1.0, None, "f", None, 0.6),
        Utterance("s1-a-0", "s1", a, 0.0, 0.4, "one two", "f", None, 0.4),
        Utterance("s_2-b-0", "s_2", b, 0.0, None, "three", None, None, 0.5),
    ]


def test_recordings_and_supervisions(sets, sounds: Path, tmp_path: Path):
    (tmp_path / "manifests").mkdir()
    for one, name in zip(sets, ("recordings", "supervisions"), strict=True):
        one.to_file(tmp_path / "manifests" / f"mini_{name}_train.jsonl.gz")
    found, account = prepare(tmp_path / "manifests")
    check(found, sounds)
    assert not account.dropped and account.recordings == 3
    found.write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data") == found


def test_cuts(sets, sounds: Path, tmp_path: Path):
    recordings, supervisions = sets
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    cuts = lhotse.CutSet.from_cuts([*(one.with_id(one.recording_id) for one in cuts)])
    cuts.to_file(tmp_path / "cuts.jsonl")
    check(prepare(tmp_path / "cuts.jsonl")[0], sounds)
    check(read_data(tmp_path / "cuts.jsonl", Skipped()), sounds)
    (tmp_path / "trimmed").mkdir()
    cuts.trim_to_supervisions().to_file(tmp_path / "trimmed" / "cuts.jsonl.gz")
    found, _ = prepare(tmp_path / "trimmed")
    assert list(found) == [one for one in prepare(tmp_path / "cuts.jsonl")[0] if one.id != "c"]


def test_shar(sets, tmp_path: Path):
    recordings, supervisions = sets
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions).trim_to_supervisions()
    (tmp_path / "shar").mkdir()
    cuts.to_shar(tmp_path / "shar", fields={"recording": "flac"}, shard_size=2)
    found, account = prepare(tmp_path / "shar")
    assert list(found.utterances) == ["s1-1", "s1-a-0", "s_2-b-0"] and not account.dropped
    assert all(one.path.startswith("tar://") for one in found)
    for one, cut in zip(found, sorted(cuts, key=lambda cut: cut.supervisions[0].id != "s1-1"), strict=True):
        wave = cut.load_audio()[0]
        assert np.abs(audio.read_waveform(one.path, one.start, one.end) - wave).max() < 2**-14
    Path(tmp_path / "shar/recording.000001.tar").unlink()
    found, account = prepare(tmp_path / "shar")
    assert list(found.utterances) == ["s1-1", "s1-a-0"]
    assert list(account.dropped) == ["its recording is not in the tar beside its manifest"]


def test_what_is_dropped_and_not_run(sets, sounds: Path, tmp_path: Path):
    recordings, _ = sets
    a, b, c = recordings
    source = lhotse.audio.AudioSource
    command = lhotse.Recording("run", [source("command", [0], f"touch {tmp_path}/run")], 16_000, 16_000, 1.0)
    two = lhotse.Recording("two", [source("file", [0, 1], str(sounds / "a.wav"))], 16_000, 16_000, 1.0)
    lost = lhotse.Recording("lost", [source("file", [0], str(sounds / "lost.wav"))], 16_000, 16_000, 1.0)
    url = lhotse.Recording("url", [source("url", [0], "memory://bucket/x.wav")], 16_000, 16_000, 1.0)
    cuts = [one.to_cut().with_id(one.id) for one in (a, b.perturb_speed(1.1), command, lost, url)]
    cuts += [lhotse.MonoCut("left", 0, 1.0, 0, recording=two), c.to_cut().pad(3.0).with_id("padded")]
    cuts += [a.to_cut().with_id("a")]
    (tmp_path / "m").mkdir()
    lhotse.CutSet.from_cuts(cuts[:-1]).to_file(tmp_path / "m" / "cuts.jsonl.gz")
    lhotse.CutSet.from_cuts(cuts[-1:]).to_file(tmp_path / "m" / "more_cuts.jsonl.gz")
    found, account = prepare(tmp_path / "m")
    assert {one.id: one.path for one in found} == {"a": str(sounds / "a.wav"), "url": "memory://bucket/x.wav"}
    assert not (tmp_path / "run").exists()
    assert {reason.split(";")[0].split(",")[0]: names for reason, names in account.dropped.items()} == {
        "a recording that is to be augmented": ["b_sp1.1"],
        "a recording that is neither a file nor a URL (such as a command": ["run"],
        "no such file": ["lost"],
        "one channel of several": ["left"],
        "a mixed or padded cut": ["padded"],
        "another utterance has the same id": ["a"],
    }


def test_damaged_manifests_are_named(tmp_path: Path):
    with pytest.raises(CorpusError, match="no manifests of lhotse"):
        prepare(tmp_path)
    for content in (b"{", b"[1]\n", b'{"id": "x"}\n', b"\xff\xff\n"):
        with gzip.open(tmp_path / "cuts.jsonl.gz", "wb") as file:
            file.write(content)
        with pytest.raises(CorpusError, match=r"cuts.jsonl.gz"):
            prepare(tmp_path)
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(CorpusError, match=r"cuts.jsonl.gz"):
        prepare(tmp_path)


@pytest.fixture
def data(sounds: Path) -> DataDir:
    return DataDir(
        [
            Utterance("s1-0", "s1", str(sounds / "a.wav"), 0.0, 0.4, "one two", "f", None, 0.4),
            Utterance("s1-1", "s1", str(sounds / "a.wav"), 0.4, 1.0, None, "f", None, 0.6),
            Utterance("s2-b", "s2", str(sounds / "b.wav"), text="three", seconds=0.5),
        ]
    )


def test_what_is_written_is_what_lhotse_reads(data: DataDir, tmp_path: Path):
    (tmp_path / "m").mkdir()
    written, skipped = write_manifests(list(data), tmp_path / "m")
    assert written == list(data) and not skipped.reasons
    assert prepare(tmp_path / "m")[0] == data
    recordings = lhotse.load_manifest(tmp_path / "m/recordings.jsonl.gz")
    supervisions = lhotse.load_manifest(tmp_path / "m/supervisions.jsonl.gz")
    lhotse.validate_recordings_and_supervisions(recordings, supervisions)
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions).trim_to_supervisions()
    for cut in cuts:
        one = data[cut.supervisions[0].id]
        assert np.array_equal(cut.load_audio()[0], audio.read_waveform(one.path, one.start, one.end))


def test_shar_that_is_written_is_what_lhotse_reads(data: DataDir, tmp_path: Path):
    (tmp_path / "shar").mkdir()
    write_shar(list(data), tmp_path / "shar", shard_cuts=2)
    assert sorted(path.name for path in (tmp_path / "shar").iterdir()) == [
        f"{kind}.00000{i}.{ending}" for kind, ending in (("cuts", "jsonl.gz"), ("recording", "tar")) for i in range(2)
    ]
    cuts = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar")
    assert [cut.id for cut in cuts] == list(data.utterances)
    for cut in cuts:
        one = data[cut.id]
        assert (cut.supervisions[0].speaker, cut.supervisions[0].text) == (one.speaker, one.text)
        assert np.abs(cut.load_audio()[0] - audio.read_waveform(one.path, one.start, one.end)).max() < 2**-14
    found, _ = prepare(tmp_path / "shar")
    assert [(one.id, one.speaker, one.text, one.gender, one.seconds) for one in found] == [
        (one.id, one.speaker, one.text, one.gender, one.seconds) for one in data
    ]
    with pytest.raises(DataDirError, match="copy --to shar"):
        write_manifests(list(found), tmp_path)


def test_unreadable_recordings_are_skipped(data: DataDir, tmp_path: Path):
    (tmp_path / "noise.wav").write_text("no sound")
    bad = Utterance("s1-x", "s1", str(tmp_path / "noise.wav"))
    for write in (write_manifests, write_shar):
        folder = tmp_path / write.__name__
        folder.mkdir()
        written, skipped = write([*data, bad], folder)
        assert written == list(data) and list(skipped.reasons) == ["s1-x"]
        with pytest.raises(ShardError, match="none of 1 recordings"):
            write([bad], folder)
    assert (
        json.loads(gzip.decompress((tmp_path / "write_manifests/supervisions.jsonl.gz").read_bytes()).splitlines()[0])[
            "speaker"
        ]
        == "s1"
    )
