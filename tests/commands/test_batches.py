"""Many recordings at once: folders, names, streams, outputs that cannot be written, and items that fail."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tests.commands.test_speech import written
from tests.conftest import buzz
from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE, audio
from vqspeech.cli import BROKEN_PIPE, main
from vqspeech.commands import convert, outputs
from vqspeech.data.units import read_units
from vqspeech.errors import FAILED, SOME_SKIPPED

LATIN = os.fsdecode(b"caf\xe9")
"""A name that is not valid text."""
LONG = "n" * 244
"""The longest name that fits with its ending; a temporary name made from it would not."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Path:
    """An empty working directory, and the model known to all commands."""
    monkeypatch.setenv("VQSPEECH_MODEL", str(checkpoint))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tree(here: Path) -> Path:
    """A folder of recordings in folders, with names of all kinds, two that differ in ending only, and no sound."""
    for name in ("a.wav", "one/a.wav", "one/a.flac", f"{LATIN}/{LATIN}.wav", "中/文.wav", f"{LONG}.wav", "-x y\n.wav"):
        audio.write(here / "tree" / name, buzz(0.2, 120))
    (here / "tree" / "one" / "notes.txt").write_text("no sound")
    return here / "tree"


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put bytes on standard input."""

    def put(data: bytes) -> None:
        stream = SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stream)

    return put


def test_a_folder_keeps_its_tree(tree: Path, model: VQVAE):
    assert main(["convert", "--src", "tree", "--speaker", "low", "high", "--out", "out"]) == 0
    names = [
        "a.wav", "one/a.wav.wav", "one/a.flac.wav", f"{LATIN}/{LATIN}.wav", "中/文.wav", f"{LONG}.wav", "-x y\n.wav"
    ]  # fmt: skip
    assert written("out") == sorted(f"{voice}/{name}" for name in names for voice in ("low", "high"))
    expected = model.convert(audio.read_waveform("tree/a.wav"), "low")
    np.testing.assert_allclose(audio.read_waveform("out/low/a.wav"), np.clip(expected, -1, 1), atol=1e-3)
    assert main(["reconstruct", "--src", "tree", "--speaker", "low", "--out", "again"]) == 0
    assert written("again") == sorted(names)


def test_units_of_a_folder(tree: Path, model: VQVAE, capsys: pytest.CaptureFixture):
    assert main(["encode", "--src", "tree", "--out", "units"]) == SOME_SKIPPED
    assert sorted(read_units("units").codes) == sorted(["a", "one/a.wav", "one/a.flac", "中/文", LONG])
    said = capsys.readouterr().err
    assert "a name with blanks" in said and "a name that is not valid text" in said and "5 done, 2 skipped" in said


def test_a_folder_of_one_is_a_folder(here: Path, capsys: pytest.CaptureFixture):
    audio.write(here / "one" / "a.wav", buzz(0.2, 120))
    assert main(["convert", "--src", "one", "--speaker", "low"]) == FAILED
    assert "several conversions need a folder as --out" in capsys.readouterr().err
    assert main(["convert", "--src", "one", "--speaker", "low", "--out", "x.wav"]) == FAILED
    assert "a folder is needed" in capsys.readouterr().err and written(".") == ["one/a.wav"]
    assert main(["convert", "--src", "one", "--speaker", "low", "--out", "x.wav/"]) == 0
    assert written("x.wav") == ["low/a.wav"]


def test_files_of_one_name_in_two_folders(here: Path, capsys: pytest.CaptureFixture):
    for name in ("x/a.wav", "y/a.wav", "a.flac", "a.wav"):
        audio.write(here / name, buzz(0.2, 120))
    assert main(["encode", "--src", "x", "y", "--out", "units"]) == FAILED
    assert "several files are named a; give one folder that contains them" in capsys.readouterr().err
    assert main(["encode", "--src", "a.flac", "a.wav", "--out", "units"]) == 0
    assert list(read_units("units").codes) == ["a.flac", "a.wav"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_lists_hold_paths_of_any_bytes(start: bytes, here: Path):
    names = [LATIN, "with blanks ", "中", "vertical\x0btab"]
    for name in names:
        audio.write(here / f"{name}.wav", buzz(0.2, 120))
    lines = [os.fsencode(f"{name}.wav") for name in names]
    (here / "list").write_bytes(start + b"\r\n".join([*lines, b"", b"   "]))
    assert main(["convert", "--src", "@list", "--speaker", "low", "--out", "out"]) == 0
    assert written("out/low") == sorted(f"{name}.wav" for name in names)


def test_standard_input_and_output(here: Path, send: Callable, capfdbinary: pytest.CaptureFixture):
    audio.write("a.wav", buzz(0.4, 120))
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", "b.wav"]) == 0
    capfdbinary.readouterr()
    for words in (["--src", "-"], ["--src", "-", "--out", "-"], ["--src", "a.wav", "--out", "-"]):
        send(Path("a.wav").read_bytes())
        assert main(["convert", *words, "--speaker", "low"]) == 0
        captured = capfdbinary.readouterr()
        found, rate = soundfile.read(io.BytesIO(captured.out), dtype="int16")
        assert rate == audio.RATE and np.array_equal(found, soundfile.read("b.wav", dtype="int16")[0])
        assert len(captured.out) == 44 + 2 * len(found) and b"1 written" in captured.err
    assert main(["encode", "--src", "a.wav", "--out", "units"]) == 0
    send(Path("a.wav").read_bytes())
    assert main(["encode", "--src", "a.wav", "-", "--out", "-"]) == 0
    *_, codes = read_units("units").codes.values()
    line = " ".join(map(str, codes.tolist())).encode()
    assert capfdbinary.readouterr().out == b"a " + line + b"\nstdin " + line + b"\n"
    assert sorted(os.listdir()) == ["a.wav", "b.wav", "units", "units.json"]


def test_streams_that_cannot_be(here: Path, send: Callable, monkeypatch: pytest.MonkeyPatch, capsys):
    audio.write("a.wav", buzz(0.2, 120))
    for words, message in (
        (["convert", "--src", "a.wav", "--speaker", "low", "high", "--out", "-"], "one recording in one voice"),
        (["encode", "--src", "a.wav", "--out", "-", "--runs", "runs"], "--runs needs a units file"),
        (["convert", "--src", "-", "--speaker", "low"], "skipped stdin"),
    ):
        send(b"no sound")
        assert main(words) == FAILED
        assert message in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert main(["convert", "--src", "-", "--speaker", "low"]) == FAILED
    assert "is a terminal" in capsys.readouterr().err
    monkeypatch.setattr(os, "isatty", lambda number: number == 1)
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", "-"]) == FAILED
    assert "is a terminal" in capsys.readouterr().err and os.listdir() == ["a.wav"]


@pytest.mark.parametrize("verb", [["convert", "--speaker", "low"], ["encode"]])
def test_a_stream_that_nobody_reads(verb: list[str], here: Path):
    audio.write("a.wav", buzz(0.2, 120))
    reader, writer = os.pipe()
    os.close(reader)
    kept = os.dup(1)
    os.dup2(writer, 1)
    try:
        assert main([*verb, "--src", "a.wav", "--out", "-"]) == BROKEN_PIPE
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(writer)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("o.m4a", "(.m4a) cannot be written; end it in .wav, .flac"),
        ("o.sd2", "(.sd2) cannot be written"),
        ("o.MP4", "cannot be written"),
        ("", "an output without a name"),
        ("file/deep/x.wav", "file is a file, not a folder"),
        ("folder.wav", "folder.wav: is a folder"),
        ("n" * 256, "a name of more than 255 bytes"),
        ("full/x.wav", "the disk has 0.0 MB left"),
        ("locked/x.wav", "locked may not be written to"),
    ],
)
def test_outputs_are_seen_to_before_the_work(
    out: str, message: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    audio.write("a.wav", buzz(0.2, 120))
    Path("file").touch()
    for name in ("folder.wav", "full", "locked"):
        Path(name).mkdir()
    usage, access = outputs.check_file.__globals__["shutil"].disk_usage, os.access
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: SimpleNamespace(free=0) if str(path) == "full" else usage(path)
    )
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "locked" and access(path, mode))
    monkeypatch.setattr(convert, "load_model", lambda _: pytest.fail("the model was read"))
    before = sorted(here.rglob("*"))
    if out == "folder.wav":  # as the name of a folder it is one
        assert main(["encode", "--src", "a.wav", "--out", out]) == FAILED
    else:
        assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", out]) == FAILED
    assert message in capsys.readouterr().err and sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ["adapt", "--src", "a.wav", "--name", "new", "--out", "folder"],
        ["adapt", "--src", "a.wav", "--name", "new", "--out", "file/x"],
        *(
            ["adapt", "--src", "a.wav", "--name", name, "--out", "x"]
            for name in ("..", ".", "", "a/b", "a\x1b[2J", "high", "n" * 101)
        ),
        ["adapt", "--src", "a.wav", "--name", "new", "--out", "a.wav"],
        ["export", "--out", "folder/x.safetensors", "--about", "folder/x.md"],
        ["export", "--out", "x.safetensors", "--scores", "a.wav"],
        ["export", "--out", "x.safetensors", "--about", "a.wav"],
        ["encode", "--src", "a.wav", "--out", "a.wav"],
        ["encode", "--src", "a.wav", "--out", "u", "--runs", "u.json"],
        ["sample", "--out", "file"],
        ["sample", "--out", "x.wav"],
        ["reconstruct", "--src", "a.wav", "--speaker", "low", "--out", "x.flac"],
        ["dump", "data", "--out", "file"],
        ["prepare", "folder", "--corpus", ".", "--out", "folder"],
        ["prepare", "mini", "--corpus", "file", "--out", "d"],
        ["split", "data", "--out", "file"],
        ["train", "--conf", "mini_world", "--train", "t", "--dev", "d", "--out", "file"],
        ["score", "units", "--units", "u", "--data", "d", "--out", "a.wav"],
        ["results", "e", "--out", "folder"],
        ["study", "toy", "--out", "file"],
        ["vision", "reconstruct", "--model", "m", "--data", "d", "--out", "folder"],
        ["vision", "train", "--conf", "cifar10_tiny", "--train", "t", "--dev", "d", "--out", "file/x"],
    ],
)
def test_what_cannot_be_written_is_one_line_of_every_verb(words: list[str], here: Path, capsys):
    audio.write("a.wav", buzz(0.2, 120))
    Path("file").touch()
    Path("folder").mkdir()
    Path("folder/x.md").write_text("kept")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert main(words) == FAILED
    [*_, line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vqspeech {words[0]}") and ("; " in line)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("voice", ["..", "../up", "a/b", "bell\a", "."])
def test_a_model_names_no_place_outside_of_out(voice: str, here: Path, capsys: pytest.CaptureFixture):
    small_model(speakers=("high", voice)).save_pretrained("other.safetensors")
    audio.write("in/a.wav", buzz(0.2, 120))
    for out in ([], ["--out", "in/out"]):
        assert (
            main(["convert", "--model", "other.safetensors", "--src", "in/a.wav", "--speaker", voice, *out]) == FAILED
        )
        assert "cannot name a file or folder" in capsys.readouterr().err
    assert written(".") == ["in/a.wav"]


def test_two_outputs_that_are_one_file(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    for name in ("a.wav", "A.wav"):
        audio.write(name, buzz(0.2, 120))
    if len(written(".")) < 2:
        pytest.skip("the disk ignores case")
    words = ["convert", "--src", "a.wav", "A.wav", "--speaker", "low", "--out", "out"]
    with monkeypatch.context() as patched:
        patched.setattr(outputs, "ignores_case", lambda _: True)
        assert main(words) == FAILED
    assert "are the same file on this system" in capsys.readouterr().err and not Path("out").exists()
    assert main(words) == 0 and written("out/low") == ["A.wav", "a.wav"]


def test_a_link_to_a_recording_is_the_recording(here: Path, capsys: pytest.CaptureFixture):
    audio.write("a.wav", buzz(0.2, 120))
    os.link("a.wav", "b.wav")
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", "b.wav"]) == FAILED
    assert "b.wav: is the input a.wav, which would be lost" in capsys.readouterr().err


def test_outputs_of_single_items_cost_those_items(here: Path, capsys: pytest.CaptureFixture):
    for name in ("a", "b", LONG + "123456"):
        audio.write(f"in/{name}.aif" if name == LONG + "123456" else f"in/{name}.wav", buzz(0.2, 120))
    Path("out/low/b.wav").mkdir(parents=True)
    assert main(["reconstruct", "--src", "in", "--speaker", "low", "--out", "out/low"]) == SOME_SKIPPED
    assert sorted(written("out/low")) == ["a.wav", "b.wav", f"{LONG}123456.wav"]
    assert "skipped out/low/b.wav: out/low/b.wav: is a folder" in capsys.readouterr().err


def test_what_fails_together_is_tried_apart(here: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """One item whose decoding fails, in whatever way, costs itself only; what was written stays."""
    for i in range(5):
        audio.write(f"{i}.wav", buzz(0.2 + 0.05 * i, 120))
    parts, batches = VQVAE.convert_parts, []

    def failing(self, sources, speakers, **how):
        batches.append(len(sources))
        for number, part in parts(self, sources, speakers, **how):
            if len(sources[number].normalised.samples) == 4800:  # 2.wav
                raise [MemoryError(), ZeroDivisionError("a defect")][len(batches) > 1]
            yield number, part

    monkeypatch.setattr(VQVAE, "convert_parts", failing)
    words = ["--src", *(f"{i}.wav" for i in range(5))]
    assert main(["convert", *words, "--speaker", "low", "--out", "out"]) == SOME_SKIPPED
    assert written("out/low") == ["0.wav", "1.wav", "3.wav", "4.wav"]
    assert batches == [5, 1, 1, 1, 1], "the first was ready, the others are decoded each by itself"
    said = capsys.readouterr().err
    assert "skipped 2: ZeroDivisionError: a defect at test_batches.py" in said and "4 done, 1 skipped: 2" in said


def test_streams_are_bounded_by_seconds(here: Path, monkeypatch: pytest.MonkeyPatch):
    for i, seconds in enumerate((1.3, 0.3, 0.3, 0.3, 2.5)):
        audio.write(f"{i}.wav", buzz(seconds, 120))
    parts, batches = VQVAE.convert_parts, []
    monkeypatch.setattr(convert, "CHUNK", 0.4)
    monkeypatch.setattr(convert, "BATCH", 3)
    monkeypatch.setattr(
        VQVAE,
        "convert_parts",
        lambda self, sources, *a, **b: batches.append(len(sources)) or parts(self, sources, *a, **b),
    )
    assert main(["convert", "--src", *(f"{i}.wav" for i in range(5)), "--speaker", "low", "--out", "out"]) == 0
    assert batches == [1, 3, 1] and len(written("out/low")) == 5


def test_a_full_disk_ends_the_batch(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    for i in range(4):
        audio.write(f"{i}.wav", buzz(0.2, 120))

    def write_parts(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(audio, "write_parts", write_parts)
    assert main(["convert", "--src", *(f"{i}.wav" for i in range(4)), "--speaker", "low", "--out", "out"]) == FAILED
    assert capsys.readouterr().err.count("No space left") == 1


@pytest.mark.parametrize("name", ["..", "a/b", "", "n" * 101])
def test_names_of_voices_are_seen_to_before_the_model_is_read(name: str, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(VQVAE, "from_pretrained", lambda *_: pytest.fail("the model was read"))
    assert main(["adapt", "--src", "a.wav", "--name", name, "--out", "x"]) == FAILED
    assert "name of a voice" in capsys.readouterr().err
