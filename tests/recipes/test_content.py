"""Units by masked prediction end to end, verb by verb as egs/content calls them, on a few made-up sounds."""

import itertools
import json
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
    assert none.returncode == 1 and "name a folder of recordings by --corpus DIR" in none.stderr
