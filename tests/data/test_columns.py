"""A data directory in columns is that of its rows; what is unusual is left to `tables`."""

import random
from pathlib import Path
from typing import Any

import pytest

from vqspeech.data import columns, datadir
from vqspeech.data.columns import Columns, read_columns
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Shard, Share
from vqspeech.errors import DataDirError

BYTES = [
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"/",
    b".",
    b"-",
    b"|",
    b"0",
    b"a",
    b"\0",
    b"\x1f",
    b"\xc2\xa0",
    b"\xff",
    b"\xef\xbb\xbf",
]


def draw(seed: int, segments: bool) -> DataDir:
    """Return a data directory of few utterances, with all that one may have or lack."""
    generator = random.Random(seed)
    genders = {"a": "f", "b": None, "ż-2": "m"}
    found: list[Utterance] = []
    for speaker, gender in genders.items():
        for i in range(generator.randint(1, 4)):
            start = generator.choice([0.0, 0.25]) if segments else 0.0
            end = generator.choice([None, 1.5, 2e3]) if segments else None
            seconds = end - start if end else generator.choice([None, 1.25, 1 / 3])
            path = generator.choice(["/sound/a b.wav", "s3://bucket/ü.flac", f"tar://x/{i}::y.tar", "ünï"])
            text = generator.choice([None, "one", "two  words", "Größe"])
            alignment = generator.choice([None, f"/ali/{i}.TextGrid"])
            found.append(Utterance(f"{speaker}-{i}", speaker, path, start, end, text, gender, alignment, seconds))
    return DataDir(found)


def read_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir | None:
    """Read row by row; return None where there is a fault."""
    with monkeypatch.context() as patched:
        patched.setattr(datadir, "read_columns", lambda _: None)
        try:
            return DataDir.read(folder)
        except DataDirError:
            return None


@pytest.mark.parametrize("block", [1, 7, 1 << 22])
@pytest.mark.parametrize("segments", [False, True])
def test_columns_are_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segments: bool, block: int):
    """Also across the borders of blocks, and where files are mapped."""
    monkeypatch.setattr(columns, "_BLOCK", block)
    monkeypatch.setattr(columns, "_PART", max(1, block // 3))
    monkeypatch.setattr(columns, "_MAPPED", 0 if block == 7 else 1 << 26)
    for seed in range(40):
        data, path = draw(seed, segments), tmp_path / str(seed)
        data.write(path)
        found = read_columns(path)
        assert found is not None, seed
        assert list(found) == list(data.utterances) and list(found.values()) == list(data)
        assert dict(found.items()) == data.utterances == {name: found[name] for name in found}
        read = DataDir.read(path)
        assert isinstance(read.utterances, Columns)
        assert read == data == read_rows(path, monkeypatch) and data == read
        assert read.speakers == data.speakers and read.by_speaker == data.by_speaker and read.counts == data.counts
        assert read.lengths.tolist() == data.lengths.tolist() and read.take(1, 3) == data.take(1, 3)
        assert "a" not in read and "z" not in read and "a-0" in read


@pytest.mark.parametrize("segments", [False, True])
def test_of_changed_files_it_reads_what_rows_have_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segments: bool
):
    """Bytes and lines are put in, taken out, doubled and swapped at random."""
    generator, read, refused = random.Random(0), 0, 0
    for seed in range(500):
        path = tmp_path / "data"
        if seed % 10 == 0:
            draw(seed, segments).write(path)
            contents = {file.name: file.read_bytes() for file in path.iterdir()}
        name = generator.choice(sorted(contents))
        content = change(contents[name], generator)
        (path / name).write_bytes(content)
        found, rows = read_columns(path), read_rows(path, monkeypatch)
        if found is not None:
            read += 1
            assert rows is not None, (name, content)
            assert list(found.values()) == list(rows), (name, content)
        refused += rows is None
        (path / name).write_bytes(contents[name])
    assert read > 50 and refused > 150, "both are met often"


def change(content: bytes, generator: random.Random) -> bytes:
    kind, at, some = generator.randrange(5), generator.randrange(len(content)), generator.choice(BYTES)
    lines = content.split(b"\n")[:-1]
    line, other = generator.randrange(len(lines)), generator.randrange(len(lines))
    if kind == 0:
        return content[:at] + some + content[at:]
    if kind == 1:
        return content[:at] + some + content[at + 1 :]
    if kind == 2:
        return content[:at] + content[at + 1 :]
    if kind == 3:
        lines[line], lines[other] = lines[other], lines[line]
    else:
        lines[line : line + 1] = [lines[line]] * generator.choice([0, 2])
    return b"".join(one + b"\n" for one in lines)


def test_blanks_around_values_are_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = draw(3, segments=True)
    data.write(tmp_path)
    for name in ("text", "utt2spk", "segments", "utt2dur"):
        lines = [line.replace(b" ", b" \t ", 1) + b" \t" for line in (tmp_path / name).read_bytes().splitlines()]
        (tmp_path / name).write_bytes(b"\n".join(lines) + b"\n")
    found = read_columns(tmp_path)
    assert found is not None and list(found.values()) == list(data)


def test_a_shard_makes_no_utterances_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    DataDir(Utterance(f"a-{i:04}", "a", f"/{i}.wav", seconds=1 + i % 5) for i in range(1000)).write(tmp_path / "data")
    made: list[str] = []

    def make(name: str, *rest: Any) -> Utterance:
        made.append(name)
        return Utterance(name, *rest)

    monkeypatch.setattr(columns, "Utterance", make)
    data = DataDir.read(tmp_path / "data")
    for number in range(1, 11):
        share = Share(Shard(number, 10), str(tmp_path / "none"))
        assert len(share.select(data)) < 110
        of_list = Share(Shard(number, 10), str(tmp_path / "none"))
        before, made[:] = list(made), []
        of_list.select([data[f"a-{i:04}"] for i in range(999, -1, -1)])
        made[:] = before
        assert of_list.run == share.run and of_list.chosen == share.chosen
    assert sorted(made) == [f"a-{i:04}" for i in range(1000)], "each once, by one shard"


@pytest.mark.parametrize(
    ("utterance", "speaker"),
    [("a", "b"), (".", "."), ("..", ".."), (".-1", "."), ("a/b", "a"), ("a\u00a0b", "a"), ("a\u0085b", "a"),
     ("a\x7fb", "a"), ("a\x01b", "a"), ("a", "a"), ("ü", "ü")],
)  # fmt: skip
def test_ids_that_rows_refuse_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, utterance: str, speaker: str
):
    """In all files alike."""
    (tmp_path / "wav.scp").write_text(f"{utterance} /x.wav\n")
    (tmp_path / "utt2spk").write_text(f"{utterance} {speaker}\n")
    rows, found = read_rows(tmp_path, monkeypatch), read_columns(tmp_path)
    assert (found is None) == (rows is None) == (utterance not in ("a", "ü") or speaker == "b")
    (tmp_path / "spk2utt").write_text(f"{speaker} {utterance}\n")
    rows, found = read_rows(tmp_path, monkeypatch), read_columns(tmp_path)
    assert (found is None) == (rows is None)


@pytest.mark.parametrize("recording", [".", "..", "a b", "a/b", "r", " r"])
def test_recordings_that_rows_refuse_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording: str):
    (tmp_path / "wav.scp").write_text(f"{recording} /x.wav\n")
    (tmp_path / "segments").write_text(f"a {recording} 0 1\n")
    (tmp_path / "utt2spk").write_text("a a\n")
    rows, found = read_rows(tmp_path, monkeypatch), read_columns(tmp_path)
    assert rows is not None if found is not None else recording != "r"
