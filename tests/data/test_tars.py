"""Tars in webdataset's layout: what webdataset itself reads in them, and what we read again."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.data.corpora import webdataset as corpus
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.tars import TAR_BYTES, list_tars, parse_gender, read_samples, write_tars
from vqspeech.data.validate import find_faults
from vqspeech.errors import SOME_SKIPPED, CorpusError, ShardError
from vqspeech.jobs import Skipped


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Five utterances of two speakers: whole files of several formats and rates, and parts of one."""
    folder = tmp_path / "sounds"
    for name, rate in (("x-1.v2.wav", 8000), ("x-2.flac", 48_000), ("y-1.ogg", 16_000)):
        wave = buzz(0.6, 150)
        folder.mkdir(exist_ok=True)
        soundfile.write(
            folder / name, np.interp(np.arange(0, len(wave), 16_000 / rate), np.arange(len(wave)), wave), rate
        )
    return DataDir(
        [
            Utterance("x-1.v2", "x", str(folder / "x-1.v2.wav"), text="größer", gender="f"),
            Utterance("x-2", "x", str(folder / "x-2.flac")),
            Utterance("x-2-a", "x", str(folder / "x-2.flac"), 0.1, 0.3, text="part"),
            Utterance("x-2-b", "x", str(folder / "x-2.flac"), 0.3),
            Utterance("y-1", "y", str(folder / "y-1.ogg"), text="two words", gender="m"),
        ]
    )


@pytest.mark.parametrize(("tar_bytes", "tars"), [(TAR_BYTES, 1), (1, 5)])
def test_what_is_written_is_read(data: DataDir, tmp_path: Path, tar_bytes: int, tars: int):
    written, skipped = write_tars(list(data), tmp_path / "tars", tar_bytes=tar_bytes)
    assert written == list(data) and not skipped.reasons and len(list_tars(tmp_path / "tars")) == tars
    found, account = corpus.prepare(tmp_path / "tars")
    assert not account.dropped and account.recordings == 5
    for one in data:
        other = found[one.id]
        assert (other.speaker, other.text, other.gender) == (one.speaker, one.text, one.gender)
        before, after = audio.read_waveform(one.path, one.start, one.end), audio.read_waveform(other.path)
        assert other.seconds == pytest.approx(len(before) / audio.RATE, abs=1e-3)
        # Of a part, the samples are cut before they are resampled.
        same = np.array_equal if one.end is None and not one.start else lambda a, b: np.abs(a - b)[99:-99].max() < 0.01
        assert len(before) == len(after) and same(before, after), one.id
    found.write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data") == found
    assert [fault for fault in find_faults(tmp_path / "data") if "wav.scp" in fault.file] == []


def test_webdataset_reads_what_is_written(data: DataDir, tmp_path: Path):
    webdataset = pytest.importorskip("webdataset")
    write_tars(list(data), tmp_path, tar_bytes=1)
    samples = list(webdataset.WebDataset([str(path) for path in list_tars(tmp_path)], shardshuffle=False))
    assert [json.loads(one["json"])["id"] for one in samples] == list(data.utterances)
    first = soundfile.read(io.BytesIO(samples[0]["wav"]))
    assert first[1] == 8000 and np.array_equal(first[0], soundfile.read(data["x-1.v2"].path)[0])


def put(path: Path, files: dict[str, bytes]) -> Path:
    """Writes a tar."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def wav() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, buzz(0.2, 150), audio.RATE, format="WAV")
    return buffer.getvalue()


class Bomb:
    """What executes code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_speakers_texts_and_faults(tmp_path: Path):
    put(
        tmp_path / "0.tar",
        {
            "a/1.wav": wav(),
            "a/1.txt": b"\xef\xbb\xbfof a  folder\n",
            "lone.WAV": wav(),
            "k.wav": wav(),
            "k.json": b'{"speaker_id": 7, "transcription": "from json", "sex": "female"}',
            "k.pyd": pickle.dumps(Bomb()),
            "k.pickle": pickle.dumps(Bomb()),
            "bad.wav": wav(),
            "bad.json": b"[" * 100_000,
            "list.wav": wav(),
            "list.json": b"[1]",
            "noise.wav": b"no sound",
            "only.txt": b"no sound beside it",
            "._a.wav": b"of macOS",
        },
    )
    put(tmp_path / "1.tar", {"./k.wav": wav(), "k.json": b'{"speaker": "7"}', "line\nend.wav": wav()})
    (tmp_path / "2.tar").write_bytes(b"no tar at all" * 100)
    found, account = corpus.prepare(tmp_path)
    assert {one.id: (one.speaker, one.text, one.gender) for one in found} == {
        "7-k": ("7", "from json", "f"),
        "a-1": ("a", "of a folder", None),
        "lone": ("lone", None, None),
    }
    assert account.exit_status() == SOME_SKIPPED
    reasons = {name.rpartition("/")[2]: reason for name, reason in account.unreadable.reasons.items()}
    assert sorted(reasons) == ["0.tar", "0.tar: bad", "0.tar: list", "2.tar"]
    assert "not a sound file" in reasons["0.tar"] and "cannot be read as a tar" in reasons["2.tar"]
    assert sorted(account.dropped) == [
        "a key or speaker with characters that no id may have", "another sample has the same utterance id",
    ]  # fmt: skip


def test_no_tars(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(wav())
    with pytest.raises(CorpusError, match="no tars in it"):
        corpus.prepare(tmp_path)
    put(tmp_path / "0.tar", {"a.txt": b"x"})
    with pytest.raises(CorpusError, match=r"no sound files in 1 tars; samples are KEY.flac"):
        corpus.prepare(tmp_path)


def test_unreadable_recordings_are_skipped(data: DataDir, tmp_path: Path):
    (tmp_path / "noise.wav").write_text("no sound")
    bad = Utterance("x-0", "x", str(tmp_path / "noise.wav"))
    written, skipped = write_tars([bad, *data], tmp_path / "tars")
    assert written == list(data) and list(skipped.reasons) == ["x-0"]
    assert [one.key for one in read_samples(list_tars(tmp_path / "tars")[0], Skipped())] == list(data.utterances)
    with pytest.raises(ShardError, match="none of 1 recordings"):
        write_tars([bad], tmp_path / "none")
    assert not list(tmp_path.glob("none/*"))


@pytest.mark.parametrize(
    ("text", "gender"),
    [
        ("F", "f"),
        ("female", "f"),
        ("male_masculine", "m"),
        (" Male", "m"),
        ("fast", None),
        ("memale", None),
        ("", None),
        (None, None),
    ],
)
def test_genders(text: str | None, gender: str | None):
    assert parse_gender(text) == gender
