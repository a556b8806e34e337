import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from vqspeech import conf
from vqspeech.cli import main
from vqspeech.conf import vision
from vqspeech.errors import ConfigError
from vqspeech.metrics.reports import claims, scores

ROOT = Path(__file__).resolve().parents[3]
CLAIMS = """title: One (the paper, section 1)
claims:
  - {claim: "a|b", paper: "4.67", ours: &place {
     experiments: [big, small], section: bits, row: "x|z, prior", column: bits}, command: bash egs/one/run.sh}
  - {claim: c, paper: "4.67 or so", ours: *place, gap: another prior, command: FULL=1 bash egs/one/run.sh}
  - {claim: d, paper: "1", ours: {experiments: [small], section: bits, row: no such, column: bits}, command: e}
  - {claim: f, paper: 42 times, by_design: 43 times, gap: none, command: g}
  - {claim: h, paper: "0.5", ours: {experiments: [small], section: other, row: r, column: s}, command: i}
"""


@pytest.fixture
def egs(tmp_path, monkeypatch):
    """A recipe with claims and a RESULTS.md."""
    monkeypatch.setattr(scores, "git_hash", lambda: "0123456789ab")
    folder = tmp_path / "egs" / "one"
    row = {"row": "x|z, prior", "n": 3, "bits": {"value": 5.5, "low": 5.25, "high": 5.75, "n": 9}}
    scores.add_rows(folder / "exp" / "small" / "scores.json", "bits", [{"row": "y", "bits": 8}, row])
    monkeypatch.setattr(scores, "git_hash", lambda: "0123456789ab+changes")
    scores.add_rows(folder / "exp" / "small" / "scores.json", "other", [{"row": "r", "s": 0.25}])
    (folder / "claims.yaml").write_text(CLAIMS)
    assert main(["results", str(folder / "exp" / "small"), "--draft", "--out", str(folder / "RESULTS.md")]) == 0
    return folder.parent


def lines(egs):
    out = egs.parent / "RESULTS.md"
    assert main(["results", "--claims", str(egs), "--out", str(out)]) == 0
    return out.read_text().splitlines()


def test_the_figure_of_ours_comes_from_the_results_and_the_gap_is_the_difference(egs):
    found = lines(egs)
    assert "## [One (the paper, section 1)](egs/one/RESULTS.md)" in found
    assert "|  | paper | ours | gap | command |" in found
    assert "| a\\|b | 4.67 | 5.50 [5.25, 5.75], bits (`small`) | +0.83 | `bash egs/one/run.sh` |" in found
    assert (
        "| c | 4.67 or so | 5.50 [5.25, 5.75], bits (`small`) | another prior | `FULL=1 bash egs/one/run.sh` |" in found
    )
    assert "| f | 42 times | 43 times | none | `g` |" in found


def test_what_is_not_measured_or_of_uncommitted_code_is_no_figure(egs):
    found = lines(egs)
    assert "| d | 1 | not measured | not measured | `e` |" in found
    assert "| h | 0.5 | measured on uncommitted code only | measured on uncommitted code only | `i` |" in found


def test_a_recipe_that_has_not_been_run_has_claims_all_the_same(egs):
    (egs / "one" / "RESULTS.md").unlink()
    found = lines(egs)
    assert "## [One (the paper, section 1)](egs/one/)" in found
    assert "| a\\|b | 4.67 | not measured | not measured | `bash egs/one/run.sh` |" in found


def test_the_first_experiment_that_has_the_figure_is_taken(egs):
    path = egs / "one" / "exp" / "big" / "scores.json"
    scores.add_rows(path, "bits", [{"row": "x|z, prior", "bits": 4.75}])
    folders = [str(egs / "one" / "exp" / name) for name in ("small", "big")]
    assert main(["results", *folders, "--draft", "--out", str(egs / "one" / "RESULTS.md")]) == 0
    path.write_text(path.read_text().replace("+changes", ""))
    assert main(["results", *folders, "--draft", "--out", str(egs / "one" / "RESULTS.md")]) == 0
    assert "| a\\|b | 4.67 | 4.75, bits (`big`) | +0.08 | `bash egs/one/run.sh` |" in lines(egs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot be read"),
        ("[3]", "give a group of options"),
        ("title: a", "claims is missing"),
        ("{title: a, claims: [{claim: b, paper: '1', command: c, nope: 2}]}", r"claims\[0\].nope: no such option"),
        ("{title: a, claims: [{claim: b, paper: 1, command: c}]}", r"claims\[0\].paper=1: give a text"),
        (
            "{title: a, claims: [{claim: b, paper: '1', command: c, ours: {row: d}}]}",
            r"claims\[0\].ours.\w+ is missing",
        ),
    ],
)
def test_claims_that_are_none_are_refused_by_name(egs, text, message):
    (egs / "one" / "claims.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"one/claims.yaml.*{message}"):
        claims.write_page(egs)


def test_a_folder_without_claims_and_missing_words_are_told(tmp_path, capsys):
    assert main(["results", "--claims", str(tmp_path), "--out", str(tmp_path / "r.md")]) == 1
    assert "no recipe in it has a claims.yaml" in capsys.readouterr().err
    assert main(["results", "--out", str(tmp_path / "r.md")]) == 1
    assert "name experiment folders, or, by --claims" in capsys.readouterr().err


def test_the_page_at_the_root_is_that_of_the_recipes():
    """After a change of claims.yaml or RESULTS.md: vqspeech results --claims egs --out RESULTS.md"""
    assert (ROOT / "RESULTS.md").read_text() == claims.write_page(ROOT / "egs")


EVERY = [
    pytest.param(one, id=f"{path.parent.name}: {one.claim}")
    for path in sorted(ROOT.glob("egs/*/claims.yaml"))
    for one in claims.read_claims(path)[1]
]


@pytest.mark.parametrize("one", EVERY)
def test_every_claim_names_the_run_that_would_close_its_gap(one):
    """A script with a stage, a configuration and a run that there are."""
    words = shlex.split(one.command)
    [script] = [word for word in words if word.endswith(".sh")]
    assert (ROOT / script).is_file() and words[words.index(script) - 1] == "bash"
    usage = subprocess.run(["bash", ROOT / script, "--help"], capture_output=True, text=True, timeout=60).stdout
    for option, value in pairwise(words):
        if option.endswith("stage"):
            assert re.search(rf"Stages: .*\b{value}\b", usage)
        if option == "--conf":
            assert value in [*conf.list_configurations(), *vision.list_configurations()]
    if script == "tools/gpu/run.sh":
        assert (ROOT / "tools" / "gpu" / f"{words[words.index(script) + 1]}.py").is_file()
    elif any(word.startswith("--") for word in words):
        assert all(word in usage for word in words if word.startswith("--"))
    named = {word.split("=")[0] for word in words[: words.index("bash")]}
    text = "".join((ROOT / path).read_text() for path in (script, "recipes/translation.sh"))
    assert all(f"${{{name}:" in text for name in named), "settings that the script does not read"


def test_the_page_has_every_claim_and_leaves_no_gap_open():
    page = (ROOT / "RESULTS.md").read_text().splitlines()
    rows = [line.split(" | ") for line in page if line.startswith("| ") and not line.startswith(("|  |", "| ---"))]
    assert len(rows) == len(EVERY)
    for row in rows:
        claim, theirs, ours, gap, command = (cell.strip("| ") for cell in row[-5:])
        assert theirs and ours and gap and re.fullmatch(r"`.*bash .*\.sh.*`", command), claim
