"""The stage runner, with stages that only say that they ran."""

import os
import subprocess
from pathlib import Path

import pytest

from vqspeech.metrics.measures.bootstrap import FEWEST_SPEAKERS

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """#!/usr/bin/env bash
set -euo pipefail
stages=("-1 get" "0 pre-pare" "3 train" "9 score")
. {stages}
stage_get() {{ echo get; }}
stage_pre_pare() {{ echo "prepare $nj ${{overrides[*]}}"; }}
stage_train() {{ {train}; }}
stage_score() {{ echo score; }}
parse_options "$@"
run_stages
"""


@pytest.fixture
def recipe(tmp_path):
    def run(*options, train="echo train"):
        path = tmp_path / "run.sh"
        path.write_text(RECIPE.format(stages=ROOT / "recipes" / "stages.sh", train=train))
        done = subprocess.run(["bash", str(path), *options], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.split("\n")[:-1], done.stderr

    return run


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ([], ["get", "prepare 2 ", "train", "score"]),
        (["--stage", "0", "--stop-stage", "3"], ["prepare 2 ", "train"]),
        (["--stage=train"], ["train", "score"]),
        (["--stop-stage", "-1"], ["get"]),
        (["--stage", "pre-pare", "--stop-stage=pre-pare", "a.b=1", "c=d e"], ["prepare 2 a.b=1 c=d e"]),
    ],
)
def test_stages_by_number_and_name(recipe, options, ran):
    status, out, log = recipe("--nj", "2", *options)
    assert (status, out) == (0, ran)
    assert log.count(" starts") == log.count(" done in ") == len(ran)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--nope", "1"], "unknown option --nope"),
        (["--nope=1"], "unknown option --nope"),
        (["--PATH=x"], "unknown option --PATH"),
        (["-n", "1"], "unknown option -n"),
        (["word"], "unknown argument word"),
        (["--nj"], "--nj needs a value"),
        (["--nj", "two"], "--nj needs a number"),
        (["--nj", "0"], "--nj needs at least 1"),
        (["--shards", "0"], "--shards needs at least 1"),
        (["--shards", "4", "--cluster", "pbs"], "no engine 'pbs'"),
        (["--cluster", "slurm"], "needs --shards N"),
        (["--limit="], "--limit needs at least 1"),
        (["--stage", "5"], "no stage '5'; choose one of: -1 get, 0 pre-pare, 3 train, 9 score"),
        (["--stage", "score", "--stop-stage", "0"], "comes after"),
        (["--tag", "a/b"], "leave out the slash"),
        (["--corpus", "/no/such/folder"], "no such folder"),
    ],
)
def test_wrong_options_are_fatal_before_any_stage(recipe, options, words):
    status, out, log = recipe(*options)
    assert status == 1 and out == [] and words in log


def test_options_of_engines(recipe):
    options = ["--stage", "3", "--stop-stage", "3", "--nj", "2"]
    show = "echo ${work[*]}"
    assert recipe(*options, train=show)[1] == ["--nj 2"]
    slurm = ["--shards", "8", "--cluster", "slurm", "--cluster-options", "partition=cpu minutes=5"]
    found = "--nj 2 --shards 8 --cluster slurm --cluster-option partition=cpu --cluster-option minutes=5"
    assert recipe(*options, *slurm, train=show)[1] == [found]
    # Where the work is done changes no result: it is not done again.
    once = 'once out -- bash -c "touch out; echo made" x "${work[@]}"'
    assert recipe(*options, train=once)[1] == ["made"]
    status, out, log = recipe(*options, *slurm, train=once)
    assert (status, out) == (0, []) and "done before: bash -c" in log


def test_help(recipe):
    status, out, _ = recipe("--help")
    assert status == 0 and "Stages: -1 get, 0 pre-pare, 3 train, 9 score" in out and "get" not in out


def test_status_3_is_a_warning(recipe):
    status, out, log = recipe("--stage", "3", train="run bash -c 'exit 3'; echo went on")
    assert (status, out) == (0, ["went on", "score"])
    assert "warning: some items were skipped by: bash -c exit 3" in log


@pytest.mark.parametrize("train", ["run bash -c 'exit 5'; echo no", "bash -c 'exit 5'; echo no"])
def test_other_failures_are_fatal(recipe, train):
    status, out, log = recipe("--stage", "3", train=train)
    assert (status, out) == (5, [])
    assert "(train) done" not in log


def test_what_is_done_is_skipped_until_its_input_or_command_changes(recipe, tmp_path):
    made, source = tmp_path / "made", tmp_path / "source"
    source.write_text("")

    def once(extra=""):
        return recipe("--stop-stage", "3", "--stage", "3",
                      train=f"once made source -- bash -c 'echo made >>made' made --nj $nj {extra}")  # fmt: skip

    for _ in range(2):
        status, _, log = once()
        assert status == 0 and made.read_text() == "made\n"
    assert "done before" in log
    recipe("--nj", "7", "--stage", "3", "--stop-stage", "3",
           train="once made source -- bash -c 'echo made >>made' made --nj $nj")  # fmt: skip
    assert made.read_text() == "made\n"
    once("other")
    assert made.read_text() == "made\n" * 2
    once("other")
    later = made.stat().st_mtime + 60
    __import__("os").utime(source, (later, later))
    assert "newer than made" in once("other")[2]
    assert made.read_text() == "made\n" * 3
    made.unlink()
    once("other")
    assert made.read_text() == "made\n"


def test_a_command_that_was_stopped_leaves_nothing_done(recipe, tmp_path):
    """6 steps; then 400, killed on the way; then 6 again: what is there is of the second command."""

    def once(script):
        return recipe("--stage", "3", "--stop-stage", "3", train=f"once made -- bash -c '{script}'")

    six, more = "echo 6 >made", "echo 130 >made; kill -9 $$"
    assert once(six)[0] == 0 and "done before" in once(six)[2]
    assert once(more)[0] == 137 and (tmp_path / "made").read_text() == "130\n"
    status, _, log = once(six)
    assert status == 0 and "done before" not in log and (tmp_path / "made").read_text() == "6\n"
    assert "done before" in once(six)[2]


def test_a_file_that_something_else_has_written_is_not_done(recipe, tmp_path):
    def once(output):
        script = f"echo mine >>{output.split('#')[0]}"
        return recipe("--stage", "3", "--stop-stage", "3", train=f"once {output} -- bash -c '{script}'")[2]

    for output, again in (("made", True), ("scores.json", False), ("scores.json#part", False), ("folder/made", True)):
        path = tmp_path / output.split("#")[0]
        path.parent.mkdir(exist_ok=True)
        once(output)
        assert "done before" in once(output)
        later = path.stat().st_mtime + 60
        os.utime(path, (later, later))
        assert ("changed after it was made" in once(output)) == again, output


def test_restart_is_told_trainings_and_changes_no_command(recipe, tmp_path):
    def once(*options):
        train = 'once made -- bash -c \'echo "$@" >>made\' train a ${restart[@]+"${restart[@]}"} b'
        return recipe("--stage", "3", "--stop-stage", "3", *options, train=train)[2]

    once()
    assert "done before" in once("--restart")
    (tmp_path / "exp/.done/made").unlink()
    once("--restart")
    assert (tmp_path / "made").read_text() == "a b\na --restart b\n"
    assert "done before" in once()


def test_a_command_that_failed_or_made_nothing_is_not_done(recipe):
    assert recipe("--stage", "3", train="once made -- bash -c 'touch made; exit 1'")[0] == 1
    assert "done before" not in recipe("--stage", "3", train="once made -- bash -c 'touch made; exit 1'")[2]
    status, _, log = recipe("--stage", "3", train="once other -- true")
    assert status == 1 and "other was not made by: true" in log


@pytest.mark.parametrize(
    ("speakers", "options", "held"),
    [(40, [], 10), (30, [], 10), (29, [], 9), (2, [], 0), (40, ["--unseen", "4"], 4), (14, ["--unseen=0"], 0)],
)
def test_ten_speakers_are_held_out_where_there_are_so_many(recipe, tmp_path, speakers, options, held):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "spk2utt").write_text("".join(f"s{i} s{i}-0\n" for i in range(speakers)))
    status, out, log = recipe("--stage", "3", "--stop-stage", "3", *options, train="hold_out all")
    assert status == 0 and out == [str(held)]
    assert ("figures of so few hold for these alone" in log) == (speakers < FEWEST_SPEAKERS * 3 and not options)


def test_recipes_of_speech_hold_out_ten_speakers():
    """mini has ten voices in all, and egs/content names the readers that it holds out."""
    assert FEWEST_SPEAKERS == 10
    for script in ("vctk/run.sh", "librispeech/run.sh", "librispeech/units.sh", "librispeech/wavenet.sh",
                   "quantizers/run.sh"):  # fmt: skip
        helped = subprocess.run(["bash", ROOT / "egs" / script, "--help"], capture_output=True, text=True, timeout=60)
        assert "speakers to hold out (default: ten, or a third of fewer than 30)" in helped.stdout, script


@pytest.mark.parametrize("corpus", ["mini", "vctk", "librispeech"])
def test_recipes_explain_themselves_without_installing(corpus):
    run = ROOT / "egs" / corpus / "run.sh"
    helped = subprocess.run(["bash", str(run), "--help"], capture_output=True, text=True, timeout=60)
    assert helped.returncode == 0 and "6 units" in helped.stdout and f"{corpus}_world" in helped.stdout
    wrong = subprocess.run(["bash", str(run), "--stgae", "1"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "unknown option --stgae" in wrong.stderr


@pytest.mark.parametrize("draft", [False, True])
def test_results_are_written_for_the_recipe_and_for_all_of_them(recipe, tmp_path, monkeypatch, draft):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vqspeech").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bin" / "vqspeech").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DRAFT", "1" if draft else "")
    status, out, _ = recipe("--stage", "3", "--stop-stage", "3", train="write_results exp/a exp/b")
    assert status == 0 and out == [
        f"results {'--draft ' * draft}exp/a exp/b --out RESULTS.md",
        f"results --claims {ROOT}/egs --out {ROOT}/RESULTS.md",
    ]


def test_the_recipe_of_frames_is_found_by_its_old_name():
    old = subprocess.run(["bash", str(ROOT / "egs/dmlab/run.sh"), "--stage", "train"], capture_output=True, text=True)
    assert old.returncode == 1 and old.stdout == ""
    assert "WORLD=deepmind_lab bash egs/firstperson/run.sh" in old.stderr
    assert (ROOT / "egs/firstperson/run.sh").is_file()


def test_install_refuses_what_it_does_not_know(tmp_path):
    install = ["bash", str(ROOT / "tools" / "install.sh")]
    wrong = subprocess.run([*install, "evil"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "unknown extra 'evil'" in wrong.stderr
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.8.0 ;; *) exit 1 ;; esac\n")
    old.chmod(0o755)
    refused = subprocess.run(
        install, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)}, timeout=60
    )
    assert refused.returncode == 1 and "Python 3.8.0 is too old" in refused.stderr


def test_the_studies_explain_themselves_without_installing():
    run = ROOT / "egs" / "quantizers" / "run.sh"
    helped = subprocess.run(["bash", str(run), "--help"], capture_output=True, text=True, timeout=60)
    assert helped.returncode == 0 and "0 toy" in helped.stdout and "3 images, 9 results" in helped.stdout
    wrong = subprocess.run(["bash", str(run), "training.steps=1"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "studies have no settings" in wrong.stderr
    environment = {**os.environ, "CIFAR10": "/no/such/folder"}
    lost = subprocess.run(["bash", str(run)], capture_output=True, text=True, env=environment, timeout=60)
    assert lost.returncode == 1 and "CIFAR10=/no/such/folder: no such folder" in lost.stderr


@pytest.mark.parametrize("corpus", ["cifar10", "imagenet", "firstperson"])
def test_recipes_of_images_explain_themselves_without_installing(corpus):
    run = ROOT / "egs" / corpus / "run.sh"
    helped = subprocess.run(["bash", str(run), "--help"], capture_output=True, text=True, timeout=60)
    assert helped.returncode == 0 and "6 encode" in helped.stdout and f"{corpus}" in helped.stdout
    wrong = subprocess.run(["bash", str(run), "--stgae", "1"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "unknown option --stgae" in wrong.stderr
