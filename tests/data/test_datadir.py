"""Reading and writing data directories, their subsets and combinations."""

import os
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqspeech.data.datadir import DataDir, Utterance, combine
from vqspeech.data.tables import FILES, is_id
from vqspeech.errors import DataDirError

IDS = st.text(string.ascii_letters + string.digits + "._-äß語", min_size=1, max_size=6).filter(is_id)
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
PATHS = LINES.filter(lambda path: not path.startswith("|") and not path.endswith("|"))
TIMES = st.floats(1e-7, 1e5)


@st.composite
def utterances(draw: st.DrawFn) -> list[Utterance]:
    """Utterances that may stand in one data directory, in any order."""
    found = {}
    for speaker in draw(st.lists(IDS, min_size=1, max_size=4, unique=True)):
        gender = draw(st.sampled_from([None, "f", "m"]))
        for name in draw(st.lists(IDS, min_size=1, max_size=4, unique=True)):
            start = draw(st.just(0.0) | TIMES)
            found[f"{speaker}-{name}"] = Utterance(
                f"{speaker}-{name}",
                speaker,
                draw(PATHS),
                start,
                draw(st.none() | TIMES.map(lambda length, start=start: start + 1e-3 + length)),
                draw(st.none() | LINES),
                gender,
                draw(st.none() | LINES),
                None,
            )
    lengths = {one.id: draw(st.none() | TIMES) if one.end is None else None for one in found.values()}
    return draw(st.permutations([replace(one, seconds=lengths[one.id]) for one in found.values()]))


def three(tmp_path: Path) -> DataDir:
    """Three utterances of two speakers, with all that may be known."""
    return DataDir(
        [
            Utterance("b-1", "b", "/b1.wav", text="drei", gender="m", seconds=1.5),
            Utterance("a-2", "a", "/a2.wav", text="zwei", gender="f", alignment="/a2.lab"),
            Utterance("a-1", "a", "/my files/a1.wav", gender="f", seconds=0.25),
        ]
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=utterances())
def test_what_is_written_is_read(tmp_path: Path, found: list[Utterance]):
    data = DataDir(found)
    data.write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data") == data


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=utterances())
def test_files_are_sorted_as_sort_does(tmp_path: Path, found: list[Utterance]):
    DataDir(found).write(tmp_path / "data")
    for file in (tmp_path / "data").iterdir():
        subprocess.run(["sort", "-c", "-k1,1", file], check=True, env={**os.environ, "LC_ALL": "C"})


def test_files_are_kaldis(tmp_path: Path):
    three(tmp_path).write(tmp_path / "data")
    assert {file.name: file.read_text() for file in (tmp_path / "data").iterdir()} == {
        "wav.scp": "a-1 /my files/a1.wav\na-2 /a2.wav\nb-1 /b1.wav\n",
        "utt2spk": "a-1 a\na-2 a\nb-1 b\n",
        "spk2utt": "a a-1 a-2\nb b-1\n",
        "text": "a-2 zwei\nb-1 drei\n",
        "utt2dur": "a-1 0.25\nb-1 1.5\n",
        "spk2gender": "a f\nb m\n",
        "utt2ali": "a-2 /a2.lab\n",
    }


def test_segments_share_a_recording(tmp_path: Path):
    data = DataDir([Utterance("a-1", "a", "/a.wav", 0.5, 1.25), Utterance("a-2", "a", "/a.wav", 1.25)])
    data.write(tmp_path / "data")
    assert (tmp_path / "data/wav.scp").read_text() == "a-1 /a.wav\n"
    assert (tmp_path / "data/segments").read_text() == "a-1 a-1 0.5 1.25\na-2 a-1 1.25 -1\n"
    assert DataDir.read(tmp_path / "data") == data


def test_spk2utt_is_not_needed_to_read(tmp_path: Path):
    three(tmp_path).write(tmp_path / "data")
    (tmp_path / "data/spk2utt").unlink()
    assert DataDir.read(tmp_path / "data") == three(tmp_path)


def test_it_is_a_collection(tmp_path: Path):
    data = three(tmp_path)
    assert [one.id for one in data] == ["a-1", "a-2", "b-1"] == list(data.utterances)
    assert data.speakers == ["a", "b"] and len(data) == 3 and "a-1" in data and data["b-1"].text == "drei"
    assert data.seconds == 1.75 and data.summary() == "3 utterances of 2 speakers, 0.0 min"


def test_a_known_gender_holds_for_all_of_a_speaker():
    data = DataDir([Utterance("a-1", "a", "x"), Utterance("a-2", "a", "y", gender="f")])
    assert data["a-1"].gender == "f"
    with pytest.raises(DataDirError, match="both f and m"):
        DataDir([Utterance("a-1", "a", "x", gender="m"), Utterance("a-2", "a", "y", gender="f")])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"id": "a 1"}, "not a valid id"),
        ({"id": "a/1"}, "not a valid id"),
        ({"speaker": "b"}, "not a prefix"),
        ({"path": "sox x.wav -t wav - |"}, "a command"),
        ({"path": ""}, "path"),
        ({"text": "two\nlines"}, "text"),
        ({"alignment": " x"}, "alignment"),
        ({"gender": "F"}, "write f or m"),
        ({"start": 2.0, "end": 1.0}, "goes from"),
        ({"start": -1.0}, "goes from"),
        ({"end": float("inf")}, "goes from"),
        ({"seconds": 0.0}, "lasts"),
    ],
)
def test_what_cannot_stand_there_is_refused(wrong: dict, message: str):
    with pytest.raises(DataDirError, match=message):
        DataDir([replace(Utterance("a-1", "a", "/a.wav"), **wrong)])


def test_an_id_twice_is_refused():
    with pytest.raises(DataDirError, match="'a-1' occurs twice"):
        DataDir([Utterance("a-1", "a", "/a.wav"), Utterance("a-1", "a", "/b.wav")])


def test_reading_names_file_line_and_fix(tmp_path: Path):
    three(tmp_path).write(tmp_path / "data")
    (tmp_path / "data/spk2gender").write_text("a f\nb male\n")
    (tmp_path / "data/utt2dur").write_text("a-1 long\n")
    with pytest.raises(DataDirError, match=r"spk2gender:2: gender 'male' of 'b'; write f or m \(and 1 more") as error:
        DataDir.read(tmp_path / "data")
    assert f"vqspeech validate {tmp_path / 'data'}" in str(error.value)
    with pytest.raises(DataDirError, match="no such folder"):
        DataDir.read(tmp_path / "nowhere")


def test_writing_replaces_a_data_directory_whole(tmp_path: Path):
    three(tmp_path).write(tmp_path / "data")
    DataDir([Utterance("c-1", "c", "/c.wav")]).write(tmp_path / "data")
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == ["spk2utt", "utt2spk", "wav.scp"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_writing_deletes_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataDirError, match=r"holds thesis\.tex"):
        three(tmp_path).write(tmp_path)
    with pytest.raises(DataDirError, match="is a file"):
        three(tmp_path).write(tmp_path / "thesis.tex")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataDirError, match="working directory"):
        three(tmp_path).write(".")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_failed_write_leaves_the_old_one(tmp_path: Path):
    three(tmp_path).write(tmp_path / "data")
    with pytest.raises(DataDirError, match="UTF-8"):
        DataDir([Utterance("a-1", "a", "/odd\udcff.wav")]).write(tmp_path / "data")
    with pytest.raises(DataDirError, match="at least one"):
        DataDir().write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data") == three(tmp_path)
    assert {file.name for file in (tmp_path / "data").iterdir()} <= set(FILES)


def many() -> DataDir:
    """Ten utterances of each of three speakers."""
    return DataDir(Utterance(f"{speaker}-{i:02d}", speaker, "/x.wav") for speaker in "abc" for i in range(10))


def test_subset_by_speaker_utterance_and_number():
    data = many()
    assert data.subset(speakers=["a", "c"]).speakers == ["a", "c"]
    assert list(data.subset(utterances=["b-03", "a-01"]).utterances) == ["a-01", "b-03"]
    assert list(data.subset(speakers=["a"], per_speaker=2).utterances) == ["a-00", "a-05"]
    assert data.subset(per_speaker=99) == data == data.subset()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"speakers": ["a", "x"]}, "1 unknown speakers: x; there are 3, such as a, b, c"),
        ({"utterances": ["a-77"]}, "1 unknown utterances: a-77"),
        ({"per_speaker": 0}, "at least 1"),
        ({"speakers": ["a"], "utterances": ["b-01"]}, "no utterance is left"),
    ],
)
def test_subset_refuses_what_is_not_there(chosen: dict, message: str):
    with pytest.raises(DataDirError, match=message):
        many().subset(**chosen)


def test_combine_is_the_union():
    data = many()
    parts = [data.subset(speakers=["a", "b"]), data.subset(speakers=["b", "c"])]
    assert combine(parts) == data


def test_combine_takes_a_gender_from_either():
    plain, known = Utterance("a-1", "a", "/x"), Utterance("a-2", "a", "/y", gender="f")
    both = combine([DataDir([plain]), DataDir([known, replace(plain, gender="f")])])
    assert [one.gender for one in both] == ["f", "f"]
    with pytest.raises(DataDirError, match="f in one directory and m in another"):
        combine([DataDir([known]), DataDir([replace(plain, gender="m")])])


def test_combine_refuses_an_id_of_two_utterances():
    with pytest.raises(DataDirError, match=r"1 utterance ids mean different utterances in two directories \(a-1\)"):
        combine([DataDir([Utterance("a-1", "a", "/x")]), DataDir([Utterance("a-1", "a", "/y")])])


def test_a_directory_that_a_killed_process_had_moved_aside_is_read(tmp_path: Path):
    data = DataDir([Utterance("a-1", "a", "a.wav")])
    data.write(tmp_path / "data")
    (tmp_path / "data").rename(tmp_path / f".data.{2**22 + 1}.old")  # no system has processes of that number
    assert DataDir.read(tmp_path / "data") == data
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a\x1b", "a\x7f", "a\n", " a"])
def test_names_that_are_no_ids(name: str):
    assert not is_id(name)
    assert is_id("...") and is_id("a.b-c_d") and is_id("نام\u200cها")  # a joiner within a word is no control character
