"""Units by masked prediction end to end, verb by verb as egs/content calls them, on a few made-up sounds."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.units import read_units
from vqspeech.models import checkpoint
from vqspeech.training import masked

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "encoder.latents=32", "encoder.depth=2", "encoder.layer=1", "encoder.heads=2", "quantizer.codes=8",
    "training.coarse=[8,8]", "training.fine=[12,12]", "training.batch=4", "training.seconds=1", "training.minutes=0.2",
    "training.rounds=2",
]  # fmt: skip
SOUNDS = ("AA", "S", "IY", "T")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Two corpora of three voices each, and one of four readers whose sounds are known, through all verbs."""
    folder = tmp_path_factory.mktemp("content")

    def vqspeech(*words):
        assert main([str(word) for word in words]) == 0

    for corpus, voices in (("one", 3), ("two", 3), ("readers", 4)):
        for voice in range(voices):
            for i in range(4):
                path = folder / corpus / f"{corpus}{voice}" / f"{i}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sounds = [(i + 3 * n + voice) % 4 for n in range(12)]
                wave = np.concatenate([buzz(0.15, 90 + 20 * voice, sound) for sound in sounds])
                soundfile.write(path, wave, audio.RATE)
                spans = [Interval(0.15 * n, 0.15 * (n + 1), SOUNDS[sound]) for n, sound in enumerate(sounds)]
                if corpus == "readers":
                    (folder / "times").mkdir(exist_ok=True)
                    write_ctm(folder / "times" / f"readers{voice}-{i}.ctm", f"readers{voice}-{i}", spans)
        vqspeech("prepare", "folder", "--corpus", folder / corpus, "--out", folder / "data" / corpus)
    data, dump, exp = (folder / name for name in ("data", "dump", "exp"))
    vqspeech("combine", data / "one", data / "two", "--out", data / "all")
    vqspeech("split", data / "all", "--out", data, "--unseen-speakers", "two2", "--share", 0.2)
    vqspeech("align", data / "readers", "--out", data / "aligned", "--from", folder / "times")
    for part, readers in (("map_dev", ("readers0", "readers1")), ("map_test", ("readers2", "readers3"))):
        vqspeech("subset", data / "aligned", "--speakers", *readers, "--out", data / part)
    for part in ("train", "dev"):
        vqspeech("dump", data / part, "--out", dump / part)
    trained = ("train", "--train", dump / "train", "--dev", dump / "dev", "--conf", "content_small")
    with pytest.MonkeyPatch.context() as patch:  # a dozen steps a round, however busy the machine
        clock = itertools.count()
        patch.setattr(masked.time, "perf_counter", lambda: next(clock) * 0.3)
        vqspeech(*trained, "--out", exp / "tiny", *TINY)
    for number in (1, 2):
        start = f"training.start={exp / 'tiny' / f'round-{number}.safetensors'}"
        codes = (start, f"training.rounds={number}", "encoder.hop=4", "quantizer.codes=6")
        vqspeech(*trained, "--out", exp / f"round{number}", *TINY, *codes)
    two = (f"training.start={exp / 'tiny' / 'last.safetensors'}", "quantizer=residual", "quantizer.codes=5")
    vqspeech(*trained, "--out", exp / "two", *TINY, *two)
    names = ("tiny", "round1", "round2", "two")
    for name in names:
        for part in ("map_dev", "map_test"):
            words = ("--model", exp / name, "--data", data / part, "--out", exp / name / "units" / f"{part}.txt")
            vqspeech("encode", *words, "--features", exp / name / "features" / part)
    parts = ("--fit", "map_dev", data / "map_dev", "--score", "map_test", data / "map_test")
    vqspeech("score", "mapping", *(exp / n for n in names), *parts, "--abx", "--out", exp / "mapping/scores.json")
    return folder


def test_all_codebooks_are_of_one_encoder(experiment):
    def encoder(name: str) -> dict:
        tensors, _ = checkpoint.read(experiment / "exp" / name / "best.safetensors", "model.encoder.")
        return {key: one for key, one in tensors.items() if key not in ("mean", "deviation")}  # of other rates

    last, first = encoder("round2"), encoder("round1")
    for name in ("tiny", "two"):
        assert encoder(name).keys() == last.keys()
        assert all((one - last[key]).abs().max() < 2e-3 for key, one in encoder(name).items()), "float16 between them"
    assert (first["input.weight"] - last["input.weight"]).abs().max() > 1e-3
    assert not (experiment / "exp/round1/last.safetensors").exists(), "nothing was trained for it"


def test_codes_have_their_rates_and_sizes(experiment):
    found = {n: read_units(experiment / f"exp/{n}/units/map_test.txt") for n in ("tiny", "round2", "two")}
    assert [(one.rate, one.size) for one in found.values()] == [(50, 8), (25, 6), (50, 25)]
    assert found["two"].stages == (5, 5)


def test_the_table_has_a_row_for_each(experiment):
    sections = json.loads((experiment / "exp/mapping/scores.json").read_text())["sections"]
    names = ["tiny", "round1", "round2", "two"]
    assert [row["row"] for row in sections["mapping"]["rows"]] == ["most likely phone", *names]
    codes = {row["row"]: row for row in sections["mapping: codes"]["rows"]}
    assert codes["two"]["bit rate (bit/s)"] == pytest.approx(50 * np.log2(25))
    assert codes["tiny"]["PNMI"]["value"] > 0.2
    rows = [row["row"] for row in sections["mapping: ABX"]["rows"]]
    assert rows == ["MFCC", *(row for name in names for row in (name, f"{name}, features"))]


def test_the_recipe_is_a_script_that_tells_its_options():
    script = ROOT / "egs" / "content" / "run.sh"
    told = subprocess.run(["bash", str(script), "--help"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and "0 prepare, 1 align, 2 dump, 3 train, 6 units, 9 score" in told.stdout
    none = subprocess.run(
        ["bash", str(script)], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    assert none.returncode == 1 and "pass a folder of recordings as --corpus DIR" in none.stderr


VERBS = """#!/usr/bin/env bash
# Stands for vqspeech: says what it was called with, and makes what the recipe looks for.
set -euo pipefail
echo "$*" >>"$CALLS"
verb=$1 out=""
while [ $# -gt 0 ]; do
  if [ "$1" = --out ]; then out=$2; fi
  if [ "$1" = combine ]; then shift; while [ "$1" != --out ]; do shift; done; continue; fi
  shift
done
case $verb in
  prepare | subset | combine) mkdir -p "$out"; touch "$out/wav.scp"; printf '61 a\\n1089 b\\np1 c\\n' >"$out/spk2utt" ;;
  split) for part in train dev; do mkdir -p "$out/$part"; touch "$out/$part/wav.scp"; done ;;
  align) mkdir -p "$out"; touch "$out/utt2ali" ;;
  dump) mkdir -p "$out"; touch "$out/index.json" ;;
  train) mkdir -p "$out"; touch "$out"/{best,last,round-1,round-2}.safetensors ;;
  encode | score) mkdir -p "$(dirname "$out")"; touch "$out" ;;
esac
"""


@pytest.fixture
def recipe(tmp_path):
    """Run the recipe with a `vqspeech` that does nothing; return its calls by verb, and the log."""
    for name in ("recipes", "egs/content"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("data", "dump", "exp"))
    for name, text in (("tools/install.sh", "exit 0\n"), (".venv/bin/vqspeech", VERBS)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".venv/bin/vqspeech").chmod(0o755)
    (tmp_path / "voices").mkdir()

    def run(*options, **environment):
        words = ["bash", str(tmp_path / "egs/content/run.sh"), "--nj", "1", *options]
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        known = {**os.environ, "CALLS": str(calls), **environment}
        done = subprocess.run(words, cwd=tmp_path, env=known, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return calls.read_text().splitlines() if calls.exists() else [], done.stderr

    return run


def test_the_recipe_takes_corpora_holds_readers_out_and_scores(recipe):
    corpora = {"TRAIN": "librispeech:/l folder:/v", "TEST": "librispeech:/l", "ROUNDS": "2"}
    calls, _ = recipe("training.minutes=5", **corpora)
    assert calls[0] == "prepare librispeech --corpus /l --out data/corpora/all-0 --nj 1"
    [split] = [one for one in calls if one.startswith("split")]
    assert split.endswith("--unseen-speakers 61 1089"), "readers of the splits that are there, and nobody else"
    trained = [one.split("--out ")[1] for one in calls if one.startswith("train")]
    assert [one.split()[0] for one in trained] == [
        "exp/units_kmeans", "exp/units_lda", "exp/content_small", "exp/content_small_round1",
        "exp/content_small_round2", "exp/content_small_two",
    ]  # fmt: skip
    assert trained[3].endswith(
        "training.minutes=5 training.start=exp/content_small/round-1.safetensors training.rounds=1 encoder.hop=4 "
        "quantizer.codes=128"
    )
    encoded = [one for one in calls if one.startswith("encode --model units ")]
    assert len(encoded) == 2 and "--features exp/units/features/map_test" in encoded[1]
    [scored] = [one for one in calls if one.startswith("score")]
    assert "exp/content_small exp/content_small_two exp/units --fit map_dev" in scored and "--abx" in scored
    assert any(one.startswith("results exp/mapping/ --out RESULTS.md") for one in calls)
    again, log = recipe("training.minutes=5", **corpora)
    assert {one.split()[0] for one in again} == {"results"} and "done before" in log


def test_the_recipe_takes_a_bare_folder(recipe, tmp_path):
    calls, log = recipe("--corpus", str(tmp_path / "voices"), "--unseen", "3", BASELINES="units_lda", ROUNDS="1")
    assert calls[0] == f"prepare folder --corpus {tmp_path / 'voices'} --out data/corpora/all-0 --nj 1"
    verbs = [one.split()[0] for one in calls]
    assert "align" not in verbs and "score" not in verbs and verbs.count("encode") == 5
    assert "TEST is not set: nothing to score" in log
