"""`vqspeech score units`: from a units file and a data directory to scores.json."""

import argparse
import json

import numpy as np
import pytest

from vqspeech.commands import score
from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import PHONES
from vqspeech.data.units import write_units
from vqspeech.errors import UnitsError


@pytest.fixture
def aligned(tmp_path):
    """Eight utterances of 20 phones at 10 Hz, one without alignment; codes that are the phones, shifted by one."""
    random = np.random.default_rng(0)
    utterances, codes = [], {}
    for i in range(8):
        phones = random.integers(0, 41, 20)
        path = tmp_path / f"a-{i}.ctm"
        write_ctm(path, f"a-{i}", [Interval(n / 10, (n + 1) / 10, PHONES[p]) for n, p in enumerate(phones)])
        utterances.append(Utterance(f"a-{i}", "a", f"/wav/a-{i}.wav", alignment=str(path) if i else None))
        codes[f"a-{i}"] = (phones + 1) % 41
    DataDir(utterances).write(tmp_path / "data")
    write_units(tmp_path / "units", codes, 10.0, 41, "model", "5" * 64)
    return tmp_path


def run(folder, *more):
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    names = {"--units": "units", "--data": "data", "--out": "scores.json"}
    options = [word for option, name in names.items() for word in (option, str(folder / name))]
    status = score.run(parser.parse_args(["units", *options, *more]))
    return status, json.loads((folder / "scores.json").read_text())["sections"]


def test_scores_and_their_notes(aligned, capsys):
    status, sections = run(aligned)
    assert status == 0
    phones = {row["row"]: row for row in sections["units: phones"]["rows"]}
    assert phones["accuracy, the paper's way"]["with silence"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 7}
    assert phones["PNMI"]["speech only"]["value"] == pytest.approx(1)
    assert phones["accuracy, map held out"]["with silence"]["value"] > 0.5
    assert phones["shuffled codes, map held out"]["with silence"]["value"] < 0.3
    codes = {row["row"]: row["value"]["value"] for row in sections["units"]["rows"]}
    assert codes["codes"] == 41 and codes["codes used"] <= 41
    assert codes["bit rate (bit/s)"] == pytest.approx(10 * np.log2(41))
    assert "1 utterances have no alignment" in sections["units"]["notes"]
    printed = capsys.readouterr().out
    assert "cluster purity" in printed and "most likely phone" in printed


def test_unreadable_alignments_are_skipped_and_counted(aligned, capsys):
    (aligned / "a-3.ctm").write_text("rubbish\n")
    status, sections = run(aligned, "--section", "k-means")
    assert status == 3 and "a-3" in capsys.readouterr().err
    assert sections["k-means: phones"]["rows"][0]["with silence"]["n"] == 6


def test_without_any_alignment_there_are_still_codes(aligned, capsys):
    DataDir([Utterance("a-0", "a", "/wav/a-0.wav")]).write(aligned / "data")
    status, sections = run(aligned)
    assert status == 0 and list(sections) == ["units"]
    out = capsys.readouterr().out
    assert "nothing is said of phones" in out and "7 utterances of the units file are not in the data" in out


def test_units_errors_come_through(aligned):
    (aligned / "units.json").unlink()
    with pytest.raises(UnitsError):
        run(aligned)
