"""The commands that use a model: encode, reconstruct, convert, speakers, info; and --version."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE, __version__, audio, pretrained
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.errors import FAILED, SOME_SKIPPED


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Path:
    """An empty working directory, and the model known to all commands."""
    monkeypatch.setenv("VQSPEECH_MODEL", str(checkpoint))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(here: Path) -> list[str]:
    """a.wav and b.wav are good; the others are bad, each in its way."""
    audio.write("a.wav", buzz(0.4, 120))
    audio.write("b.wav", buzz(0.3, 200))
    soundfile.write("silent.wav", np.zeros(999), 16_000)
    soundfile.write("short.wav", np.ones(1), 192_000)
    soundfile.write("nan.wav", np.r_[buzz(0.1, 99), np.nan], 16_000, subtype="FLOAT")
    Path("text.wav").write_text("no sound")
    Path("empty.wav").touch()
    Path("cut.wav").write_bytes(Path("a.wav").read_bytes()[:3000])
    return sorted(path.name for path in here.iterdir())


BAD = {"cut", "empty", "gone", "nan", "short", "silent", "text"}


@pytest.fixture
def data(small_data: DataDir) -> str:
    small_data.write("data")
    return "data"


def written(folder: str | Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.wav"))


def test_encode(files: list[str], model: VQVAE, checkpoint: Path, capsys: pytest.CaptureFixture):
    assert main(["encode", "--src", "a.wav", "b.wav", "--out", "units/train"]) == 0
    units = read_units("units/train")
    assert list(units.codes) == ["a", "b"]
    assert units.codes["a"].tolist() == model.encode(audio.read_waveform("a.wav")).tolist()
    assert (units.rate, units.size) == (model.rate, model.quantizer.size)
    assert (units.model, units.sha256) == (str(checkpoint), model.fingerprint())
    assert "units/train: 2 utterances" in capsys.readouterr().err
    assert main(["encode", "--src", "a.wav", "--out", "units/a", "--runs", "units/a.runs"]) == 0
    name, *codes = Path("units/a.runs").read_text().split()
    assert name == "a" and codes == [str(code) for code, _ in groupby(units.codes["a"].tolist())]


@pytest.mark.parametrize("nj", ["1", "2"])
def test_encode_skips_bad_files(files: list[str], nj: str, capsys: pytest.CaptureFixture):
    assert main(["encode", "--src", *files, "gone.wav", "--out", "units", "--nj", nj]) == SOME_SKIPPED
    assert list(read_units("units").codes) == ["a", "b"]
    said = capsys.readouterr().err
    for name in BAD:
        assert f"skipped {name}: {name}.wav: " in said
    assert f"2 done, {len(BAD)} skipped" in said


def test_recordings_whose_headers_lie(files: list[str], capsys: pytest.CaptureFixture):
    """One reader serves encode and convert; what it reads is as long as what is there."""
    whole = Path("a.wav").read_bytes()
    Path("off.wav").write_bytes(whole[:40] + bytes(4) + whole[44:])
    soundfile.write("unknown.flac", audio.read_waveform("a.wav"), audio.RATE)
    flac = bytearray(Path("unknown.flac").read_bytes())
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    Path("unknown.flac").write_bytes(flac)
    soundfile.write("half.ogg", buzz(4.0, 120), audio.RATE)
    Path("half.ogg").write_bytes(Path("half.ogg").read_bytes()[:-9000])
    given = ["a.wav", "off.wav", "unknown.flac", "half.ogg"]
    assert main(["encode", "--src", *given, "--out", "units"]) == SOME_SKIPPED
    codes = read_units("units").codes
    assert sorted(codes) == ["a", "off", "unknown"]
    assert codes["a"].tolist() == codes["off"].tolist() == codes["unknown"].tolist()
    assert "skipped half: half.ogg: breaks off after" in capsys.readouterr().err
    assert main(["convert", "--src", *given, "--speaker", "low", "--out", "said"]) == SOME_SKIPPED
    assert {len(audio.read_waveform(path)) for path in Path("said").rglob("*.wav")} == {6400}
    assert "skipped half: half.ogg: breaks off after" in capsys.readouterr().err


def test_encode_of_bad_files_only(files: list[str], capsys: pytest.CaptureFixture):
    assert main(["encode", "--src", "text.wav", "short.wav", "--out", "units"]) == FAILED
    assert "0 done, 2 skipped: text short" in capsys.readouterr().err
    assert not Path("units").exists() and not Path("units.json").exists()


def test_encode_a_list_and_names_with_blanks(files: list[str], capsys: pytest.CaptureFixture):
    audio.write("my file.wav", buzz(0.2, 120))
    Path("list").write_text("b.wav\n\n  my file.wav\r\na.wav\n", newline="")
    assert main(["encode", "--src", "@list", "--out", "units"]) == SOME_SKIPPED
    assert list(read_units("units").codes) == ["a", "b"]
    assert "my file.wav: a name with blanks" in capsys.readouterr().err


def test_encode_data(data: str, small_data: DataDir, model: VQVAE):
    assert main(["encode", "--data", data, "--out", "units"]) == 0
    units = read_units("units")
    assert list(units.codes) == list(small_data.utterances)
    for utterance in small_data:
        assert len(units.codes[utterance.id]) == -(-len(audio.read_waveform(utterance.path)) // model.hop)
    assert main(["encode", "--data", data, "--out", "units", "--limit", "3"]) == 0
    assert list(read_units("units").codes) == ["high-0", "high-2", "low-1"], "spread evenly"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["@nowhere"], "nowhere: cannot be read as a list of files"),
        (["@empty.wav"], "an empty list"),
        (["a.wav", "sub/a.wav"], "several files are named a"),
        (["folder"], "folder: no sound files in this folder"),
        (["@wide"], "it contains zero bytes; save it as UTF-8"),
        (["-", "-"], "named twice"),
    ],
)
def test_sources_that_are_none(files: list[str], sources: list[str], message: str, capsys: pytest.CaptureFixture):
    Path("folder").mkdir()
    Path("wide").write_text("a.wav\n", encoding="utf-16")
    assert main(["encode", "--src", *sources, "--out", "units"]) == FAILED
    assert message in capsys.readouterr().err and not Path("units").exists()


@pytest.mark.parametrize(
    "option",
    [
        ["--limit", "0"], ["--limit", "-1"], ["--limit", "x"], ["--temperature", "-1"], ["--temperature", "nan"],
        ["--seed", "-1"], ["--seed", "1.5"], ["--seed", str(2**63)],
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense(option: list[str], files: list[str], capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "--src", "a.wav", "--speaker", "low", *option])
    assert option[0] in capsys.readouterr().err and not Path("a.low.wav").exists()


def test_engine_and_exactness_are_chosen(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    made = small_model("mini_wavenet")
    made.save_pretrained("wavenet.safetensors")
    monkeypatch.setenv("VQSPEECH_MODEL", "wavenet.safetensors")
    voice = ["--src", "a.wav", "--speaker", "low"]
    assert main(["convert", *voice, "--exact", "--engine", "cached", "--temperature", "0.9", "--seed", "4"]) == 0
    assert "cached: 1 x" in capsys.readouterr().err
    wave = made.convert(audio.read_waveform("a.wav"), "low", exact=True, temperature=0.9, seed=4)
    # Two engines may differ where a uniform hits the edge between two classes.
    assert np.mean(np.abs(audio.read_waveform("a.low.wav") - np.clip(wave, -1, 1)) < 1e-4) > 0.99
    assert main(["reconstruct", *voice, "--out", "out", "--engine", "persistent"]) == FAILED
    assert "needs a CUDA GPU" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["convert", *voice, "--engine", "fast"])


def test_reconstruct_data(data: str, small_data: DataDir, model: VQVAE):
    assert main(["reconstruct", "--data", data, "--out", "out"]) == 0
    assert written("out") == sorted(f"{name}.wav" for name in small_data.utterances)
    for utterance in list(small_data)[::5]:
        wave = audio.read_waveform(utterance.path)
        expected = model.reconstruct(wave, utterance.speaker)
        found = audio.read_waveform(f"out/{utterance.id}.wav")
        # In a batch, the last frames of an utterance are decoded together with longer ones.
        np.testing.assert_allclose(found[:-2000], np.clip(expected, -1, 1)[:-2000], atol=1e-3)
    assert main(["reconstruct", "--data", data, "--out", "two", "--limit", "2"]) == 0
    assert written("two") == ["high-0.wav", "low-0.wav"]


def test_reconstruct_files(files: list[str], capsys: pytest.CaptureFixture):
    assert main(["reconstruct", "--src", "a.wav", "--out", "out"]) == FAILED
    assert "name it with --speaker" in capsys.readouterr().err
    assert main(["reconstruct", "--src", *files, "--speaker", "low", "--out", "out"]) == SOME_SKIPPED
    assert written("out") == ["a.wav", "b.wav"]
    assert main(["reconstruct", "--src", "text.wav", "--speaker", "low", "--out", "none"]) == FAILED
    assert not Path("none").exists()


def test_reconstruct_does_not_overwrite_the_recordings(files: list[str], capsys: pytest.CaptureFixture):
    old = Path("a.wav").read_bytes()
    assert main(["reconstruct", "--src", "a.wav", "--speaker", "low", "--out", "."]) == FAILED
    assert "choose another --out" in capsys.readouterr().err
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", "a.wav"]) == FAILED
    assert Path("a.wav").read_bytes() == old


def test_convert_one_file(files: list[str], model: VQVAE, capsys: pytest.CaptureFixture):
    assert main(["convert", "--src", "a.wav", "--speaker", "low"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "a.low.wav\n" and "1 written, 0.4 s of speech" in captured.err
    wave = audio.read_waveform("a.wav")
    np.testing.assert_allclose(audio.read_waveform("a.low.wav"), np.clip(model.convert(wave, "low"), -1, 1), atol=1e-3)


@pytest.mark.parametrize(
    ("out", "path"), [("x.wav", "x.wav"), ("deep/x.flac", "deep/x.flac"), ("x.ogg", "x.ogg"), ("out", "out/low/a.wav")]
)
def test_convert_out(files: list[str], out: str, path: str, capsys: pytest.CaptureFixture):
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", out]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert len(audio.read_waveform(path)) == 6400


def test_convert_beside_the_source(files: list[str]):
    Path("sub").mkdir()
    Path("a.wav").rename("sub/a.b.wav")
    assert main(["convert", "--src", "sub/a.b.wav", "--speaker", "high"]) == 0
    assert written("sub") == ["a.b.high.wav", "a.b.wav"]


def test_convert_to_several_speakers(files: list[str], capsys: pytest.CaptureFixture):
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "high"]) == FAILED
    assert "several conversions need a folder as --out" in capsys.readouterr().err
    assert main(["convert", "--src", *files, "--speaker", "low", "high", "low", "--out", "out"]) == SOME_SKIPPED
    assert written("out") == ["high/a.wav", "high/b.wav", "low/a.wav", "low/b.wav"]
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_convert_data(data: str, small_data: DataDir):
    assert main(["convert", "--data", data, "--speaker", "low", "--out", "out", "--limit", "4"]) == 0
    assert written("out") == ["low/high-0.wav", "low/high-2.wav", "low/low-0.wav", "low/low-2.wav"]


@pytest.mark.parametrize("options", [[], ["--out", "out"], ["--out", "x.wav"]])
def test_unknown_speaker(files: list[str], here: Path, options: list[str], capsys: pytest.CaptureFixture):
    assert main(["convert", "--src", "a.wav", "--speaker", "lwo", *options]) == FAILED
    captured = capsys.readouterr()
    assert "no voice 'lwo'; the closest are low" in captured.err and not captured.out
    assert sorted(path.name for path in here.iterdir()) == files, "nothing is written"


def test_data_of_an_unknown_speaker(small_data: DataDir, capsys: pytest.CaptureFixture):
    DataDir([type(u)(f"new-{u.id}", "new", u.path) for u in small_data]).write("data")
    assert main(["reconstruct", "--data", "data", "--out", "out"]) == FAILED
    assert "no voice 'new'" in capsys.readouterr().err and not Path("out").exists()
    assert main(["encode", "--data", "data", "--out", "units"]) == 0, "codes are of any voice"


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (192_000, 8), (8_000, 1)])
def test_any_rate_and_channels(rate: int, channels: int):
    time = np.arange(rate // 2) / rate
    wave = 0.3 * np.sin(2 * np.pi * 150 * time)
    soundfile.write("x.wav", np.stack([wave] * channels, 1), rate)
    assert main(["convert", "--src", "x.wav", "--speaker", "low"]) == 0
    header = audio.info("x.low.wav")
    assert (header.rate, header.channels) == (16_000, 1) and abs(header.frames - 8000) <= 1


def test_no_model(files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.delenv("VQSPEECH_MODEL")
    monkeypatch.setattr(pretrained, "FOLDER", Path("nowhere"))
    for command in (["encode", "--src", "a.wav", "--out", "u"], ["speakers"], ["info"]):
        assert main(command) == FAILED
        assert "name one with --model, or train one" in capsys.readouterr().err
    for path, message in (("gone.safetensors", "no such checkpoint"), ("a.wav", "not a safetensors file")):
        assert main(["speakers", "--model", path]) == FAILED
        assert message in capsys.readouterr().err


def test_speakers(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.delenv("VQSPEECH_MODEL")
    assert main(["speakers", "--model", str(checkpoint)]) == 0
    assert capsys.readouterr().out == "high\t-\t200 Hz\nlow\t-\t99 Hz\n"
    told = small_model()
    told.genders = {"high": "f"}
    told.pitch[1] = float("nan")
    told.save_pretrained("told.safetensors")
    assert main(["speakers", "--model", "told.safetensors"]) == 0
    assert capsys.readouterr().out == "high\tf\t200 Hz\nlow\t-\t-\n"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("vctk", ["downsampling 64x", "rate 250 codes/s", "bit rate 2,250 bit/s", "speakers 109"]),
        ("librispeech", ["downsampling 128x", "rate 125 codes/s", "bit rate 1,125 bit/s"]),
        ("units25", ["downsampling 640x", "rate 25 codes/s", "bit rate 175 bit/s"]),
    ],
)
def test_info(name: str, lines: list[str], capsys: pytest.CaptureFixture):
    assert main(["info", "--conf", name]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert set(lines) <= set(said)


def test_info_of_a_model_and_of_mistakes(capsys: pytest.CaptureFixture):
    assert main(["info"]) == 0
    assert "speakers                  2\n" in capsys.readouterr().out
    for command, message in (
        (["info", "--conf", "vctc"], "choose one of"),
        (["info", "--conf", "vctk", "encoder.foo=1"], "foo"),
        (["info", "encoder.channels=1"], "--conf"),
    ):
        assert main(command) == FAILED
        assert message in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_no_verb(capsys: pytest.CaptureFixture):
    assert main([]) == FAILED
    assert "convert" in capsys.readouterr().out


def test_a_forbidden_or_full_place_is_one_line(files: list[str], capsys: pytest.CaptureFixture):
    Path("file").touch()
    assert main(["convert", "--src", "a.wav", "--speaker", "low", "--out", "file/x.wav"]) == FAILED
    assert capsys.readouterr().err == (
        "vqspeech convert: file/x.wav: file is a file, not a folder; choose another name\n"
    ), "before the model is read"
