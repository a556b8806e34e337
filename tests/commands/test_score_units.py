"""`vqspeech score units`: from a units file and a data directory to scores.json."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

from tests.models.test_vqvae import model as small_model
from vqspeech.cli import main
from vqspeech.commands import score
from vqspeech.data import alignment
from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import PHONES
from vqspeech.data.units import read_units, write_units
from vqspeech.errors import FAILED, UnitsError
from vqspeech.metrics.measures import phone


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


def test_unreadable_alignments_are_skipped_and_counted(aligned, messages):
    (aligned / "a-3.ctm").write_text("rubbish\n")
    status, sections = run(aligned, "--section", "k-means")
    assert status == 3 and "a-3" in messages()
    assert sections["k-means: phones"]["rows"][0]["with silence"]["n"] == 6


def test_without_any_alignment_there_are_still_codes(aligned, capsys, messages):
    DataDir([Utterance("a-0", "a", "/wav/a-0.wav")]).write(aligned / "data")
    status, sections = run(aligned)
    assert status == 0 and list(sections) == ["units"]
    out = capsys.readouterr().out
    assert "nothing is said of phones" in messages() and "7 utterances of the units file are not in the data" in out


def test_units_errors_come_through(aligned):
    (aligned / "units.json").unlink()
    with pytest.raises(UnitsError):
        run(aligned)


def test_every_table_and_the_report(aligned, capsys):
    status, sections = run(aligned, "--abx", "--report", str(aligned / "report"))
    assert status == 0
    assert list(sections) == ["units", "units: phones", "units: boundaries", "units: ABX"]
    changes = sections["units: boundaries"]["rows"][0]
    assert changes["precision"]["value"] == 1 and changes["recall"]["value"] == pytest.approx(1, abs=0.06)
    within = {row["row"]: row.get("within speakers") for row in sections["units: ABX"]["rows"]}
    assert within["phones in any context"] == {"value": 0, "low": 0, "high": 0, "n": 7}
    assert "numba" in sections["units: ABX"]["versions"]
    page = (aligned / "report" / "report.html").read_text()
    assert "R-value" in page and page.count("data:image/png") == 2, "no recordings, so no utterance is drawn"
    assert len(list((aligned / "report" / "textgrids").iterdir())) == 7
    assert "speakers: none of two or more" in " ".join(sections["units"]["notes"])
    assert "report.html" in capsys.readouterr().out


def test_speakers(aligned):
    data = DataDir.read(aligned / "data")
    renamed = [Utterance(f"{'ab'[i % 2]}-{i}", "ab"[i % 2], u.path) for i, u in enumerate(data)]
    DataDir(renamed).write(aligned / "data")
    codes = {u.id: np.full(40, "ab".index(u.speaker)) for u in renamed}
    write_units(aligned / "units", codes, 10.0, 41, "model", "5" * 64)
    _, sections = run(aligned)
    rows = {row["row"]: row for row in sections["units: speakers"]["rows"]}
    assert rows["codes"]["speaker"]["value"] == 1 and rows["chance"]["speaker"]["value"] == 0.5
    assert "MFCC" not in rows and "without 8 utterances" in sections["units: speakers"]["notes"][-1]


def test_units_of_another_model_are_refused(aligned):
    path = aligned / "model" / "best.safetensors"
    model = small_model()
    model.save_pretrained(path)
    with pytest.raises(UnitsError, match="the units are of model .555555555555., not of"):
        run(aligned, "--abx", "--model", str(path))
    size = model.quantizer.size
    codes = {name: c % size for name, c in read_units(aligned / "units").codes.items()}
    write_units(aligned / "units", codes, 10.0, size, str(path), model.fingerprint())
    _, sections = run(aligned, "--abx", "--model", str(path))
    assert "angle of the code vectors" in " ".join(sections["units: ABX"]["notes"])


def test_another_frame_rate(aligned):
    described = json.loads((aligned / "units.json").read_text())
    (aligned / "units.json").write_text(json.dumps(described | {"rate_hz": 25.0}))
    data = DataDir.read(aligned / "data")
    DataDir(replace(u, seconds=2.0) for u in data).write(aligned / "data")
    with pytest.raises(UnitsError, match="0.80 s at 25 Hz, its recording 2.00 s"):
        run(aligned)


def test_phones_behind_the_end_are_a_counted_skip(aligned):
    write_ctm(aligned / "a-3.ctm", "a-3", [Interval(0, 9, "aa")])
    status, sections = run(aligned)
    assert status == 3 and "1 utterances skipped" in " ".join(sections["units"]["notes"])


def test_one_code_only(aligned):
    codes = {name: np.zeros(20, np.int64) for name in read_units(aligned / "units").codes}
    write_units(aligned / "units", codes, 10.0, 1, "model", "5" * 64)
    status, sections = run(aligned, "--abx", "--report", str(aligned / "report"))
    phones = {row["row"]: row["with silence"]["value"] for row in sections["units: phones"]["rows"]}
    assert status == 0 and phones["PNMI"] == 0
    assert phones["accuracy, the paper's way"] == phones["most likely phone"]
    assert sections["units: ABX"]["rows"][1]["within speakers"]["value"] == 0.5
    assert sections["units: boundaries"]["rows"][0]["recall"]["value"] == 0
    bits = {row["row"]: row["value"]["value"] for row in sections["units"]["rows"]}
    assert bits["bit rate (bit/s)"] == bits["bit rate at the codes' entropy (bit/s)"] == 0


def score_units(folder):
    options = {"--units": "units", "--data": "data", "--out": "scores.json"}
    return main(["score", "units", *(word for name, of in options.items() for word in (name, str(folder / of)))])


def test_units_of_other_data_are_refused(aligned, capsys):
    units = read_units(aligned / "units")
    write_units(aligned / "units", {name.upper(): some for name, some in units.codes.items()}, 10.0, 41, "m", "5" * 64)
    assert score_units(aligned) == FAILED and not (aligned / "scores.json").exists()
    said = capsys.readouterr().err
    assert "none of 8 utterances of the units (A-0, A-1, A-2) is among the 8 of the data directory (a-0, a-1" in said


def test_speech_without_known_phones_is_not_scored(aligned, capsys):
    """As of Kaldi's words, or of phones of another language: only the pauses would be left."""
    for one in DataDir.read(aligned / "data"):
        if one.alignment:
            spans = [Interval(0, 1.1, "sil"), Interval(1.1, 1.5, "hello"), Interval(1.5, 2, "world")]
            write_ctm(one.alignment, one.id, spans)
    assert score_units(aligned) == FAILED and not (aligned / "scores.json").exists()
    said = capsys.readouterr().err
    assert "100% of what is labelled as speech (6.3 of 6.3 s)" in said and "('hello' 7, 'world' 7)" in said


def test_kaldis_phones_are_scored_as_without_their_marks(aligned):
    _, plain = run(aligned)
    for one in DataDir.read(aligned / "data"):
        if one.alignment:
            marks = zip(alignment.read_alignment(one.alignment), "BIES" * 5, strict=True)
            spans = [
                span._replace(label=span.label if span.label == "sil" else f"{span.label}_{mark}")
                for span, mark in marks
            ]
            write_ctm(one.alignment, one.id, spans)
    assert run(aligned)[1]["units: phones"]["rows"] == plain["units: phones"]["rows"]


def test_intervals_redraw_speakers_where_they_are_enough(aligned):
    """Of 20 speakers whose utterances are alike, 4 each, intervals are those of 20 items and not of 80."""
    random = np.random.default_rng(1)
    utterances, codes, spoken, odds = [], {}, [], random.random(20)
    for i in range(80):
        name, phones = f"s{i % 20:02}-{i}", random.integers(0, 41, 30)
        path = aligned / f"{name}.ctm"
        write_ctm(path, name, [Interval(n / 10, (n + 1) / 10, PHONES[p]) for n, p in enumerate(phones)])
        utterances.append(Utterance(name, name[:3], f"/wav/{name}.wav", alignment=str(path)))
        codes[name] = np.where(random.random(30) < odds[i % 20], phones, 0)
        spoken.append(phones)
    DataDir(utterances).write(aligned / "data")
    write_units(aligned / "units", codes, 10.0, 41, "model", "5" * 64)
    _, sections = run(aligned)
    [found] = [row for row in sections["units: phones"]["rows"] if row["row"] == "accuracy, the paper's way"]
    by_speaker = phone.mapping_accuracy(list(codes.values()), spoken, 41, [one.speaker for one in utterances])
    alone = phone.mapping_accuracy(list(codes.values()), spoken, 41)
    width = found["with silence"]["high"] - found["with silence"]["low"]
    assert found["with silence"]["value"] == by_speaker.value and found["with silence"]["n"] == 80
    assert width == pytest.approx(by_speaker.high - by_speaker.low, rel=0.1) and width > 1.4 * (alone.high - alone.low)
    for table in sections.values():
        assert any("intervals redraw 20 speakers" in note for note in table["notes"])
