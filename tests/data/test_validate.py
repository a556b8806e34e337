"""Each fault that a data directory may have is found, in the right place, with its fix."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.audio import read_blocks as read
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.tables import find_unsorted
from vqspeech.data.validate import Fault, find_faults
from vqspeech.errors import DataDirError

RATE = 8000


def tone(path: Path, seconds: float = 1.0, channels: int = 1) -> Path:
    """Writes a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(np.arange(round(seconds * RATE)) / 5)
    soundfile.write(path, np.stack([wave] * channels, axis=1), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory without a fault: two utterances of speaker a, one of b, each one second long."""
    lab = tmp_path / "a-1.lab"
    lab.write_text("0 10000000 sil\n")
    DataDir(
        Utterance(
            name,
            name[0],
            str(tone(tmp_path / f"wav/{name}.wav")),
            text=f"text of {name}",
            gender="f",
            seconds=1.0,
            alignment=str(lab) if name == "a-1" else None,
        )
        for name in ("a-1", "a-2", "b-1")
    ).write(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    """A data directory without a fault: two parts of one recording of two seconds."""
    path = str(tone(tmp_path / "long.wav", 2.0))
    parts = [Utterance("a-1", "a", path, 0.0, 1.0), Utterance("a-2", "a", path, 1.0, 2.0)]
    DataDir(parts).write(tmp_path / "segmented")
    return tmp_path / "segmented"


def only(found: list[Fault], file: str, line: int, what: str, fix: str) -> None:
    """Asserts that there is one fault, and that it is this one."""
    assert len(found) == 1, "\n".join(map(str, found))
    assert (Path(found[0].file).name, found[0].line) == (file, line)
    assert what in found[0].what and fix in found[0].fix, str(found[0])
    assert str(found[0]).count("\n") == 0


def test_no_fault(folder: Path, segmented: Path):
    assert not find_faults(folder) and not find_faults(folder, audio=False) and not find_faults(segmented)


IN_TABLES = [
    ("text", "a-2 zwei\na-1 eins\n", 2, "not sorted", "LC_ALL=C sort -o"),
    ("text", "a-1 eins\na-1 zwei\n", 2, "'a-1' occurs twice, first on line 1", "delete"),
    ("text", "a-1 eins\n\na-2 zwei\n", 2, "empty line", "delete"),
    ("text", "a-1 eins\na-2 \n", 2, "no value after 'a-2'", "complete or delete"),
    ("text", b"a-1 gr\xfc\xdfe\n", 1, "not UTF-8", "UTF-8"),
    ("text", "a-1 eins\r\na-2 zwei\r\n", 1, "2 lines end in CRLF", r"sed -i 's/\r$//'"),
    ("text", "a-1 eins\na-2 zw\rei\n", 2, "carriage return within the line", r"sed -i '2s/\r\(.\)/ \1/g'"),
    ("utt2ali", "a-1 /x.lab\u00a0\n", 1, "the path of 'a-1' ends or begins in white space", "remove it"),
    ("spk2utt", "a a-2 a-1\nb b-1\n", 1, "the utterances of 'a' are not sorted", "delete spk2utt"),
    ("text", "\ufeffa-1 eins\n", 1, "byte order mark", "sed -i"),
    ("text", "a-1 eins\na-9 neun\n", 2, "'a-9' is not in utt2spk", "delete"),
    ("utt2dur", "a-1 long\n", 1, "duration 'long' of 'a-1'", "write seconds"),
    ("utt2dur", "a-1 1.0\na-2 nan\n", 2, "duration 'nan'", "write seconds"),
    ("utt2dur", "a-1 0\n", 1, "duration '0'", "more than 0"),
    ("utt2dur", "a-1 1.0\na-2 1.5\n", 2, "'a-2' lasts 1.5 s here, 1.000 s in", "write 1.000, or delete utt2dur"),
    ("spk2gender", "a f\nb F\n", 2, "gender 'F' of 'b'", "write f or m"),
    ("spk2gender", "a female\n", 1, "gender 'female' of 'a'", "write f or m"),
    ("spk2gender", "a f\nc f\n", 2, "speaker 'c' is not in utt2spk", "delete"),
    ("utt2ali", "a-1 /nowhere.lab\n", 1, "no alignment /nowhere.lab", "correct the path"),
    ("spk2utt", "a a-1 a-2\n", 0, "'b-1' of 'b' is not listed", "delete spk2utt"),
    ("spk2utt", "a a-1\nb b-1\n", 1, "'a-2' of 'a' is not listed", "vqspeech subset"),
    ("spk2utt", "a a-1 a-1 a-2\nb b-1\n", 1, "'a-1' occurs twice", "delete spk2utt"),
    ("spk2utt", "a a-1 a-2 a-3\nb b-1\n", 1, "'a-3' of 'a' is not there in utt2spk", "delete spk2utt"),
    ("spk2utt", "a a-1 a-2\nb a-1 b-1\n", 2, "'a-1' of 'b' is of 'a' in utt2spk", "delete spk2utt"),
]


@pytest.mark.parametrize(("file", "content", "line", "what", "fix"), IN_TABLES)
def test_a_fault_in_a_table(folder: Path, file: str, content: str | bytes, line: int, what: str, fix: str):
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    only(find_faults(folder), file, line, what, fix)
    if what.startswith(("no alignment", "'a-2' lasts", "the utterances of 'a' are not sorted")):
        DataDir.read(folder)  # reading opens and looks for no other file, and finds the speakers in utt2spk
    else:
        with pytest.raises(DataDirError, match=f"{file}"):
            DataDir.read(folder)


@pytest.mark.parametrize("name", ["a\u00a09", "a/9"])
def test_an_id_that_is_none(folder: Path, name: str):
    (folder / "text").write_text(f"{name} neun\n")
    only(find_faults(folder)[:1], "text", 1, f"'{name}' is not a valid id", "without blanks and slashes")


def edit(path: Path, old: str, new: str) -> None:
    """Replaces text in a file that holds it."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def test_a_pipe(folder: Path):
    edit(folder / "wav.scp", "a-2 ", "a-2 sox ")
    edit(folder / "wav.scp", "a-2.wav", "a-2.wav -t wav - |")
    only(find_faults(folder), "wav.scp", 2, "'a-2' is a command, not a file", "run the command once")


def test_a_speaker_that_is_no_prefix(folder: Path):
    edit(folder / "utt2spk", "b-1 b", "b-1 c")
    found = [fault for fault in find_faults(folder) if fault.file.endswith("utt2spk")]
    only(found, "utt2spk", 3, "speaker 'c' is not a prefix of 'b-1'", "'c-b-1'")


def test_two_speakers_on_a_line(folder: Path):
    edit(folder / "utt2spk", "b-1 b", "b-1 b c")
    found = [fault for fault in find_faults(folder) if fault.file.endswith("utt2spk")]
    only(found, "utt2spk", 3, "'b c' is not a valid speaker", "one speaker")


def test_an_utterance_without_recording_and_one_without_speaker(folder: Path):
    edit(folder / "wav.scp", "b-1 ", "b-2 ")
    found = find_faults(folder)
    only(found[:1], "utt2spk", 3, "'b-1' is not in wav.scp", "add it")
    only(found[1:], "wav.scp", 3, "'b-2' is not in utt2spk", "add it")


@pytest.mark.parametrize("file", ["wav.scp", "utt2spk", "spk2utt"])
def test_a_missing_table(folder: Path, file: str):
    (folder / file).unlink()
    only(find_faults(folder), file, 0, "missing", "vqspeech")


def test_an_empty_table(folder: Path):
    (folder / "utt2spk").write_text("")
    only(find_faults(folder), "utt2spk", 0, "no entries", "at least one")


def test_an_empty_directory_and_none(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    found = find_faults(tmp_path / "empty")
    assert [Path(fault.file).name for fault in found] == ["wav.scp", "utt2spk"]
    assert "holds nothing" in found[0].what and "vqspeech prepare" in found[0].fix
    only(find_faults(tmp_path / "nowhere"), "nowhere", 0, "no such folder", "vqspeech prepare")
    (tmp_path / "file").touch()
    only(find_faults(tmp_path / "file"), "file", 0, "is a file", "data directory")


def overwrite(samples: np.ndarray, subtype: str = "PCM_16") -> Callable[[Path], None]:
    """What writes other samples to a recording."""
    return lambda path: soundfile.write(path, samples, RATE, subtype=subtype)


def cut(path: Path) -> None:
    """Takes the second half off a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


RECORDINGS = [
    (Path.unlink, "no recording", "correct the path"),
    (lambda path: path.write_bytes(b""), "is empty (0 bytes)", "copy it again"),
    (lambda path: path.write_bytes(b"<html>404</html>" * 20), "not a sound file", "convert it"),
    (overwrite(np.zeros(RATE)), "silent, every sample is zero", "microphone"),
    (overwrite(np.zeros(0)), "holds no samples", "record it again"),
    (overwrite(np.array([0.1, np.nan] * (RATE // 2)), "FLOAT"), "NaN or infinite", "leave it out"),
    (overwrite(np.array([0.1, np.inf] * (RATE // 2)), "FLOAT"), "NaN or infinite", "leave it out"),
]


@pytest.mark.parametrize(("spoil", "what", "fix"), RECORDINGS)
def test_a_spoilt_recording(folder: Path, tmp_path: Path, spoil: Callable[[Path], None], what: str, fix: str):
    spoil(tmp_path / "wav/a-2.wav")
    only(find_faults(folder), "wav.scp", 2, what, fix)


def test_a_truncated_wav(folder: Path, tmp_path: Path):
    cut(tmp_path / "wav/a-2.wav")
    (folder / "utt2dur").unlink()
    only(find_faults(folder), "wav.scp", 2, "truncated, the last 0.50 s", "copy it again")
    assert find_faults(folder, audio=False) == []


def test_a_truncated_flac(tmp_path: Path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE)
    soundfile.write(tmp_path / "a.flac", noise, RATE)
    cut(tmp_path / "a.flac")
    DataDir([Utterance("a-1", "a", str(tmp_path / "a.flac"))]).write(tmp_path / "data")
    found = find_faults(tmp_path / "data")
    assert len(found) == 1 and "copy it again" in found[0].fix


def test_a_wav_of_unknown_length_is_not_truncated(folder: Path, tmp_path: Path):
    path = tmp_path / "wav/a-2.wav"
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert find_faults(folder) == []


def test_relative_paths_are_named_with_where_they_begin(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    edit(folder / "wav.scp", f"{tmp_path}/", "")
    assert len(find_faults(folder)) == 3
    assert all(
        "seen from" in fault.what and "absolute paths" in fault.fix for fault in find_faults(folder, audio=False)
    )
    monkeypatch.chdir(tmp_path)
    assert find_faults(folder) == []


def test_stereo_is_no_fault(folder: Path, tmp_path: Path):
    tone(tmp_path / "wav/a-2.wav", channels=2)
    assert find_faults(folder) == []


SEGMENTS = [
    ("a-1 a-1 0 1\na-2 a-1 1 2.2\n", "'a-2' goes from 1 to 2.2 s, its recording lasts 2.000 s", "correct the times"),
    ("a-1 a-1 0 1\na-2 a-1 5 -1\n", "'a-2' goes from 5 to 2 s", "correct the times"),
    ("a-1 a-1 0 1\na-2 a-1 2 1\n", "'a-2' goes from 2 to 1 s", "0 <= start < end"),
    ("a-1 a-1 0 1\na-2 a-1 -2 1\n", "'a-2' goes from -2 to 1 s", "0 <= start < end"),
    ("a-1 a-1 0 1\na-2 a-1 1\n", "is not 'utterance recording start end'", "four fields"),
    ("a-1 a-1 0 1\na-2 a-1 one two\n", "is not 'utterance recording start end'", "four fields"),
    ("a-1 a-1 0 1\na-2 a-1 1 inf\n", "is not 'utterance recording start end'", "four fields"),
    ("a-1 a-1 0 1\na-2 b-7 1 2\n", "recording 'b-7' is not in wav.scp", "add the recording"),
]


@pytest.mark.parametrize(("content", "what", "fix"), SEGMENTS)
def test_a_fault_in_segments(segmented: Path, content: str, what: str, fix: str):
    (segmented / "segments").write_text(content)
    only(find_faults(segmented), "segments", 2, what, fix)


def test_a_silent_segment(segmented: Path, tmp_path: Path):
    wave = np.r_[0.1 * np.ones(RATE), np.zeros(RATE)]
    soundfile.write(tmp_path / "long.wav", wave, RATE)
    only(find_faults(segmented), "segments", 2, "'a-2' is silent", "correct the times")


def test_durations_are_those_of_segments(segmented: Path):
    (segmented / "utt2dur").write_text("a-1 1.0\na-2 2.0\n")
    only(find_faults(segmented), "utt2dur", 2, "'a-2' lasts 2 s here, 1 s in segments", "write 1")


def test_all_faults_are_found_by_several_processes(folder: Path, tmp_path: Path):
    (tmp_path / "wav/a-1.wav").write_bytes(b"no sound")
    overwrite(np.zeros(RATE))(tmp_path / "wav/b-1.wav")
    (folder / "spk2gender").write_text("b m\na x\n")
    found = find_faults(folder, nj=2)
    assert found == find_faults(folder, nj=1)
    assert [(Path(fault.file).name, fault.line) for fault in found] == [
        ("spk2gender", 2),
        ("spk2gender", 2),
        ("wav.scp", 1),
        ("wav.scp", 3),
    ]


SPEAKERS = st.sampled_from(["a", "a-b", "a+", "b", "b_c", "ab"])


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("ab1-+_", max_size=3), SPEAKERS, min_size=1, max_size=8))
def test_the_order_is_that_of_kaldis_check(rest):
    """utils/validate_data_dir.sh compares utt2spk, sorted by utterance, with `LC_ALL=C sort -k2` of it."""
    speakers = {f"{speaker}-{end}": speaker for end, speaker in rest.items()}
    lines = "".join(f"{name} {speakers[name]}\n" for name in sorted(speakers))
    by_speaker = subprocess.run(
        ["sort", "-k2"], input=lines, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, capture_output=True, text=True
    ).stdout
    assert (by_speaker == lines) == (not find_unsorted(speakers))


def test_utterances_that_are_not_sorted_by_speaker(tmp_path: Path):
    parts = [("a-a", "a"), ("a-b-1", "a-b"), ("a-c", "a")]
    DataDir(Utterance(name, of, str(tone(tmp_path / f"{name}.wav"))) for name, of in parts).write(tmp_path / "data")
    what = "'a-c' of 'a' after 'a-b-1' of 'a-b': not sorted by speaker"
    only(find_faults(tmp_path / "data"), "utt2spk", 3, what, "rename one")
    assert len(DataDir.read(tmp_path / "data")) == 3


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ("0 10000000 sil\n10000000 30000000 a\n", "'a' from 1.000 to 3.000 s is after the end of the utterance"),
        ("0 5000000 a\n4000000 10000000 b\n", "overlap"),
        ("rubbish\n", "want 'start end phone'"),
        ("5000000 5000000 a\n", "no interval lasts"),
    ],
)
def test_an_alignment_that_does_not_fit(folder: Path, tmp_path: Path, labels: str, what: str):
    (tmp_path / "a-1.lab").write_text(labels)
    for audio in (True, False):
        only(find_faults(folder, audio=audio), "utt2ali", 1, what, "")


def test_a_recording_that_is_too_large_is_a_fault_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def blocks(path: str, **options):
        if Path(path).name == "a-2.wav":
            raise MemoryError
        return read(path, **options)

    monkeypatch.setattr("vqspeech.audio.read_blocks", blocks)
    [fault] = find_faults(folder)
    assert (Path(fault.file).name, fault.line) == ("wav.scp", 2)
    assert "a-2.wav: not enough memory" in fault.what and "cut it into shorter parts" in fault.fix
