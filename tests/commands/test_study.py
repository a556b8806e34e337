import json

import pytest

from vqspeech.cli import main
from vqspeech.conf import load_config
from vqspeech.studies import beta as beta_study
from vqspeech.studies import toy as toy_study


@pytest.mark.parametrize("kind", ["toy", "beta"])
def test_a_study_leaves_tables_findings_and_a_picture(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(toy_study, "POINTS", 300)
    monkeypatch.setattr(toy_study, "HELD_OUT", 300)
    command = ["study", kind, "--out", str(tmp_path), "--seeds", "2", "--steps", "2", "--batch", "8"]
    assert main(command) == 0
    sections = json.loads((tmp_path / "scores.json").read_text())["sections"]
    assert sections.keys() == {kind, f"{kind}: findings"}
    assert len(sections[kind]["rows"]) == (14 if kind == "toy" else 5)
    cells = [cell for row in sections[kind]["rows"] for name, cell in row.items() if name != "row"]
    assert all(cell["n"] == 2 and cell["low"] <= cell["value"] <= cell["high"] for cell in cells)
    verdicts = [
        cell for row in sections[f"{kind}: findings"]["rows"] for name, cell in row.items()
        if name not in ("row", "source")
    ]  # fmt: skip
    assert len(verdicts) == (3 * len(toy_study.FINDINGS) if kind == "toy" else 3 * len(beta_study.FINDINGS))
    assert all(cell.split(":")[0] in ("agrees", "disagrees", "undecided") for cell in verdicts)
    assert (tmp_path / "pictures" / f"{kind}.png").stat().st_size > 2000
    # What has been made is not made again.
    before = (tmp_path / "runs.jsonl").read_bytes()
    assert before.count(b"\n") == (84 if kind == "toy" else 30)
    assert main(command) == 0
    assert (tmp_path / "runs.jsonl").read_bytes() == before
    assert "| --- |" in capsys.readouterr().out


def test_beta_is_varied_in_the_papers_own_setting_too():
    paper = {"revive_below": 0.0, "initial": "uniform"}
    assert beta_study.METHODS["eq. 3"] == {"name": "gradient"} | paper
    ours = [one for name, one in beta_study.METHODS.items() if name != "eq. 3"]
    assert ours and not any(paper.keys() & one.keys() for one in ours)
    config = load_config("vctk")["quantizer"]
    assert {key: config[key] for key in paper} | {"name": config["name"]} == beta_study.METHODS["eq. 3"]


def test_every_finding_names_rows_that_there_are():
    for finding in toy_study.FINDINGS:
        assert {finding.first, finding.second} <= toy_study.make_rows(1000).keys(), finding.claim


def test_numbers_below_one_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["study", "toy", "--out", "x", "--seeds", "0"])
    assert "at least 1" in capsys.readouterr().err
