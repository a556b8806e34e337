"""`--json` of the verbs that write data: what they print are figures, an object a line, with --quiet or without it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands.test_speech import here as here  # noqa: PLC0414 -- a fixture
from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.errors import FAILED, SOME_SKIPPED

BAD = "corpus/high/bad.wav"


@pytest.fixture(autouse=True)
def corpus(here: Path) -> None:
    """Two speakers with two recordings each, one of which cannot be read, and their data directory."""
    for speaker, f0 in (("low", 105.0), ("high", 210.0)):
        for i in range(2):
            audio.write(Path("corpus", speaker, f"{i}.wav"), buzz(0.5 + 0.1 * i, f0, i))
    Path(BAD).write_text("no sound")


def run(capfd, status: int, *words: str) -> list[dict]:
    """Return the objects that a verb prints; its messages are on standard error, and with --quiet only warnings."""
    assert main([*words, "--json"]) == status, capfd.readouterr().err
    printed = capfd.readouterr()
    assert main([*words, "--json", "--quiet"]) == status
    quiet = capfd.readouterr()
    assert all("skipped" in line for line in quiet.err.splitlines()), quiet.err
    found, again = ([json.loads(line) for line in one.out.splitlines()] for one in (printed, quiet))
    assert [sorted(one) for one in found] == [sorted(one) for one in again]
    return again


def without_speed(found: Sequence[dict]) -> list[dict]:
    assert found[-1]["times_real_time"] > 0
    return [{key: value for key, value in one.items() if key != "times_real_time"} for one in found]


def test_prepare_dump_and_encode(capfd):
    [prepared] = run(capfd, SOME_SKIPPED, "prepare", "folder", "--corpus", "corpus", "--out", "data")
    assert "bad" in next(iter(prepared.pop("skipped"))) and list(prepared.pop("notes"))
    size = {"utterances": 4, "speakers": 2, "seconds": pytest.approx(2.2)}
    assert prepared == {"data": "data", "corpus": "folder corpus", "recordings": 5, "dropped": {}, **size}

    dumped = without_speed(run(capfd, 0, "dump", "data", "--out", "dump"))
    assert dumped == [{"dump": "dump", "utterances": 4, "seconds": pytest.approx(2.2), "skipped": {}}]

    [encoded] = without_speed(run(capfd, SOME_SKIPPED, "encode", "--src", "corpus", "--out", "units"))
    codes = read_units("units").codes
    assert "bad" in next(iter(encoded.pop("skipped"))) and encoded.pop("seconds") == pytest.approx(2.2, abs=0.05)
    assert encoded == {"units": "units", "utterances": 4, "codes": sum(map(len, codes.values()))}

    status, found = main(["encode", "--data", "data", "--out", "joined", "--shards", "2", "--json"]), []
    found += [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert status == 0 and [one["done"] for one in found] == [2, 2, 4], "each shard, then the whole"
    assert found[-1] == {"out": "joined", **found[-1], "utterances": 4, "shards": 2, "skipped": {}}


def test_convert_and_reconstruct(capfd):
    words = ("--src", "corpus/low/0.wav", BAD, "--out", "out", "--speaker", "high")
    *files, total = without_speed(run(capfd, SOME_SKIPPED, "convert", *words))
    [file] = files
    assert audio.read_waveform(file["file"]).shape == (8000,)
    assert file == {**file, "speaker": "high", "seconds": pytest.approx(0.5)} and "0" in file["source"]
    assert "bad" in next(iter(total.pop("skipped"))) and total == {"written": 1, "seconds": pytest.approx(0.5)}
    assert run(capfd, SOME_SKIPPED, "reconstruct", *words)[-1]["written"] == 1


@pytest.mark.parametrize("words", [("convert", "--speaker", "high"), ("encode",)])
def test_standard_output_takes_figures_or_the_result(words, capfd):
    assert main([*words, "--src", "corpus/low/0.wav", "--out", "-", "--json"]) == FAILED
    printed = capfd.readouterr()
    assert "--json prints to standard output" in printed.err and not printed.out


def test_sample(capfd):
    assert main(["encode", "--src", "corpus/low", "--out", "units"]) == 0
    capfd.readouterr()
    words = ("--ngram", "2", "--units", "units", "--n", "2", "--seconds", "0.1", "--out", "samples")
    *files, total = without_speed(run(capfd, 0, "sample", *words))
    assert [one["file"] for one in files] == ["samples/sample-000.wav", "samples/sample-001.wav"]
    assert all(one["speaker"] in ("high", "low") for one in files)
    assert total["written"] == 2 and total["units"] == "samples/units.txt" and Path(total["pictures"][0]).is_file()
    assert total["seconds"] == pytest.approx(sum(one["seconds"] for one in files)) == pytest.approx(0.2, abs=0.05)


def test_align(capfd):
    ends = "0 4000 aa\n4000 8000 iy\n"
    for speaker in ("low", "high"):
        Path("corpus", speaker, "0.phn").write_text(ends)
    Path(BAD).unlink()
    assert main(["prepare", "folder", "--corpus", "corpus", "--out", "data"]) == 0
    capfd.readouterr()
    [found] = run(capfd, SOME_SKIPPED, "align", "data", "--from", "corpus", "--out", "aligned")
    assert found["data"] == "aligned" and (found["utterances"], found["aligned"]) == (4, 2)
    assert found["seconds"] == found["seconds_with_phone"] == pytest.approx(1.0) and len(found["skipped"]) == 2
    assert sum(one.alignment is not None for one in DataDir.read("aligned")) == 2
