import json
import logging

import pytest

from vqspeech.cli import main
from vqspeech.errors import ConfigError
from vqspeech.training.sweep import run_sweep

TINY = [
    "encoder.channels=12", "encoder.latents=6", "training.batch=2", "training.seconds=0.16", "training.steps=2",
    "training.evaluate_every=2", "training.evaluate_batches=1", "training.listen_every=1000", "training.warmup=1",
    "training.precision=fp32", "decoder.layers=2", "decoder.channels=12",
]  # fmt: skip


def test_two_tiny_jobs(small_shards, tmp_path, capsys):
    command = ["sweep", "--conf", "librispeech_world", "--train", str(small_shards.path), "--dev",
               str(small_shards.path), "--out", str(tmp_path), "quantizer.codes=8,16", "hydra.launcher.n_jobs=1",
               *TINY]  # fmt: skip
    assert main(command) == 0
    assert {path.name for path in tmp_path.glob("*/best.safetensors")} == {"best.safetensors"}
    names = ["quantizer.codes=16", "quantizer.codes=8"]
    assert sorted(path.parent.name for path in tmp_path.glob("*/last.safetensors")) == names
    rows = json.loads((tmp_path / "scores.json").read_text())["sections"]["sweep"]["rows"]
    assert [row["row"] for row in rows] == names and [row["step"] for row in rows] == [2, 2]
    assert [row["codes used"].split(" of ")[1] for row in rows] == ["16", "8"]
    # The same command again finds all of it done.
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*/best.safetensors"))]
    assert main(command) == 0
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*/best.safetensors"))] == times
    capsys.readouterr()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["quantizer.codes=8"], "nothing to sweep"),
        (["quantizer.nope=8,9"], "nope"),
        (["quantizer.codes=8,16", "quantizer=lbg"], "lbg"),
        (["quantizer.codes=[8,16"], "no viable alternative"),
    ],
)
def test_wrong_settings_are_told_of_before_anything_starts(overrides, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        run_sweep("librispeech_world", overrides, tmp_path, tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="joblib, submitit_local, submitit_slurm"):
        run_sweep("librispeech_world", ["quantizer.codes=8,16"], tmp_path, tmp_path, tmp_path / "out", "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_training_that_fails_is_told_of(tmp_path, capfd):
    command = ["sweep", "--conf", "librispeech_world", "--train", str(tmp_path), "--dev", str(tmp_path), "--out",
               str(tmp_path / "out"), "quantizer.codes=8,16", "hydra.launcher.n_jobs=1"]  # fmt: skip
    assert main(command) == 1
    assert "a training of the sweep failed" in capfd.readouterr().err


def test_the_root_logger_stays_as_it_is(small_shards, tmp_path):
    root = logging.getLogger()
    before = [*root.handlers], root.level
    run_sweep(
        "librispeech_world", ["quantizer.codes=8,16", "hydra.launcher.n_jobs=1", *TINY], small_shards.path,
        small_shards.path, tmp_path,
    )  # fmt: skip
    assert ([*root.handlers], root.level) == before
