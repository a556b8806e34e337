import json
import math
import subprocess
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqspeech.cli import main
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.metrics.reports import markdown, results, scores


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "git_hash", lambda: "0123456789ab")  # whatever this checkout is like
    folder = tmp_path / "exp" / "one"
    rows = [
        {"row": "a|b", "CER": Estimate(0.1234, 0.1, 0.15, 12), "codes": 512},
        {"row": "c", "CER": Estimate(0.5, math.nan, math.nan, 3), "DNSMOS": Estimate(3.456, 3, 4, 4), "note": "x"},
        {"row": "d", "CER": None, "codes": math.nan},
    ]
    scores.add_rows(folder / "scores.json", "first", rows, "vqspeech score x --y 'a b'", seed=7, notes=["how"])
    return folder


def test_sections_are_merged_and_keep_their_origin(experiment):
    scores.add_rows(experiment / "scores.json", "second", [{"row": "r", "x": 1.0}], figures=["p.png"])
    found = scores.read(experiment / "scores.json")["sections"]
    assert list(found) == ["first", "second"]
    assert found["first"]["command"] == "vqspeech score x --y 'a b'" and found["first"]["seed"] == 7
    assert found["first"]["rows"][1]["CER"] == {"value": 0.5, "low": None, "high": None, "n": 3}
    assert {"python", "torch", "numpy"} <= set(found["second"]["versions"])
    assert found["second"]["command"] and found["second"]["git"]
    scores.add_rows(experiment / "scores.json", "first", [{"row": "new"}], "c")
    assert scores.read(experiment / "scores.json")["sections"]["first"]["rows"] == [{"row": "new"}]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sections": 3}', "\xff"])
def test_what_is_no_scores_file_is_said_and_not_overwritten(tmp_path, content):
    path = tmp_path / "scores.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(scores.ScoresError, match="score again"):
        scores.add_rows(path, "s", [], "c")
    assert path.read_text(encoding="latin-1") == content


def test_table(experiment):
    lines = markdown.format_table(scores.read(experiment / "scores.json")["sections"]["first"]["rows"]).splitlines()
    assert lines[0] == "|  | n | CER | codes | DNSMOS | note |"
    assert lines[2] == "| a\\|b | 12 | 0.123 [0.100, 0.150] | 512 |  |  |"
    assert lines[3] == "| c |  | 0.500 (n=3) |  | 3.46 [3, 4] (n=4) | x |"
    assert lines[4] == "| d |  |  |  |  |  |"


def test_results_file(experiment, capsys):
    (experiment / "pictures").mkdir()
    (experiment / "pictures" / "the curves.png").write_bytes(b"png")
    empty = experiment.parent / "empty"
    empty.mkdir()
    out = experiment.parent.parent / "RESULTS.md"
    assert main(["results", str(experiment), str(empty), "--out", str(out)]) == 0
    text = out.read_text()
    assert "## one" in text and "### first" in text and "- how" in text
    assert "`vqspeech score x --y 'a b'`" in text and "seed 7" in text and "git " in text
    assert "![the curves](pictures/one/the%20curves.png)" in text
    assert (out.parent / "pictures" / "one" / "the curves.png").read_bytes() == b"png", "a copy that can be kept"
    assert "empty: has no scores.json" in capsys.readouterr().err
    assert main(["results", str(empty), "--out", str(out)]) == 1


def test_scores_of_uncommitted_code_make_a_draft_alone(experiment, monkeypatch, capsys):
    out = experiment.parent.parent / "RESULTS.md"
    assert main(["results", str(experiment), "--out", str(out), "--draft"]) == 0
    assert "**A draft" not in out.read_text(), "nothing of it is"
    monkeypatch.setattr(scores, "git_hash", lambda: "0123456789ab+changes")
    scores.add_rows(experiment / "scores.json", "second", [{"row": "r", "x": 1.0}])
    out.unlink()
    assert main(["results", str(experiment), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert f"{experiment / 'scores.json'}: scores of code that is in no commit" in said and "--draft" in said
    assert not out.exists()
    assert main(["results", str(experiment), "--out", str(out), "--draft"]) == 0
    assert "**A draft:** tables whose commit ends in `+changes`" in out.read_text()


@pytest.fixture
def checkout(tmp_path):
    """A repository laid out as ours is, and a function that runs git in it."""

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True).stdout

    files = {"vqspeech/__init__.py": "", "recipes/stages.sh": "", "egs/mini/run.sh": "", "README.md": "",
             "egs/mini/RESULTS.md": "", "egs/mini/pictures/one/a.png": "", "tests/test_a.py": "",
             ".gitignore": "/egs/*/exp/\n"}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return tmp_path, git("rev-parse", "--short=12", "HEAD").strip()


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("vqspeech/__init__.py", True),
        ("recipes/stages.sh", True),
        ("egs/mini/run.sh", True),
        ("vqspeech/added.py", True),
        ("egs/mini/RESULTS.md", False),  # of the recipe before, in the same sitting
        ("egs/mini/pictures/one/a.png", False),
        ("RESULTS.md", False),
        ("README.md", False),
        ("tests/test_a.py", False),
        ("egs/mini/exp/scores.json", False),
        ("egs/mini/nohup.out", False),
    ],
)
def test_what_changes_a_commit_is_the_code_that_makes_scores(checkout, path, counts):
    folder, commit = checkout
    assert scores.git_hash(folder) == commit
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("changed")
    assert scores.git_hash(folder) == commit + "+changes" * counts


def test_a_folder_that_is_no_checkout_of_ours_has_no_commit(checkout):
    folder, _ = checkout
    assert scores.git_hash(folder / "egs") == "none"
    assert scores.git_hash("/") == "none"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (12, "12"),
        (0.0123, "0.012"),
        (3.14159, "3.14"),
        (123.4, "123"),
        (0.00001, "1e-05"),
        (-0.5, "-0.500"),
    ],
)
def test_number(value, text):
    assert markdown.format_number(value) == text


def test_scores_are_valid_json(experiment):
    def refuse(token):
        raise AssertionError(token)

    json.loads((experiment / "scores.json").read_text(), parse_constant=refuse)


GOOD = {
    "rows": [{"row": "one", "a": {"value": 1.5, "low": 1, "high": None, "n": 3}, "b": 2, "c": "text", "d": None}],
    "command": "vqspeech", "git": "none", "seed": None, "time": "now", "versions": {"torch": "2"}, "notes": ["so"],
    "figures": [], "details": [{"row": "one"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {"row": "one"}}, "first.rows=.*give a list"),
        ({"rows": [["row"]]}, r"first.rows\[0\]=.*give values by name"),
        ({"rows": [{"a": 1}]}, r"first.rows\[0\].row=None: give the name of the row"),
        ({"rows": [{"row": "x", "a": {"value": "1.5"}}]}, r"first.rows\[0\].a: 1.5 is no number"),
        ({"rows": [{"row": "x", "a": {"value": [1]}}]}, "is no number"),
        ({"rows": [{"row": "x", "a": {"value": 1, "n": True}}]}, "True is no number"),
        ({"rows": [{"row": "x", "a": float("nan")}]}, r"first.rows\[0\].a: nan is not finite"),
        ({"rows": [{"row": "x", "a": {"value": 1, "low": float("inf")}}]}, "inf is not finite"),
        ({"rows": [{"row": "x", "a": 10**400}]}, "is not finite"),
        ({"notes": "so"}, "first.notes=so: give a list, each a text"),
        ({"notes": [1]}, r"first.notes\[0\]=1: give a text"),
        ({"versions": [1]}, "first.versions"),
        ({"details": [1]}, r"first.details\[0\]"),
        ({"command": None}, "first.command=null: give a text"),
        (None, "first=null: give a group"),
    ],
)
def test_what_is_no_section_is_refused_by_name(tmp_path, change, message):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"sections": {"first": GOOD}}))
    results.format_results([tmp_path])
    path.write_text(json.dumps({"sections": {"first": None if change is None else GOOD | change}}))
    with pytest.raises(scores.ScoresError, match=f"{path}: no scores file .*{message}.*; remove it and score again"):
        results.format_results([tmp_path])


PIECES = [b"", b"[", b"{}", b"1", b"\xff", b'"', b"null", b"-1e999", b"NaN"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))  # pyright: ignore
@given(st.data())
def test_whatever_a_damaged_file_holds_is_shown_or_refused(tmp_path, data):
    text = bytearray(json.dumps({"sections": {"first": GOOD}}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 5))] = data.draw(st.sampled_from(PIECES))
    (tmp_path / "scores.json").write_bytes(text)
    with suppress(scores.ScoresError):
        results.format_results([tmp_path])


def test_the_checkout_is_that_of_the_toolkit():
    assert (scores.CHECKOUT / "vqspeech" / "__init__.py").is_file()
