"""Going on with a training: only with the same model, data and settings, and never from what is not finite."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.test_trainer import KINDS, trainer
from vqspeech.conf import load_config
from vqspeech.data.dump import read_shards, write_shards
from vqspeech.errors import CheckpointError, ConfigError, DivergenceError, OutputError
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.models import checkpoint
from vqspeech.training import trainer as training
from vqspeech.training.optimizer import resolve_precision
from vqspeech.training.speech import SpeechTask
from vqspeech.training.state import list_changes, read_state
from vqspeech.training.trainer import Trainer, train

WORLD = "librispeech_world"
FIX = "--restart trains from the start; or choose another --out"


@pytest.fixture(scope="module")
def done(small_shards, tmp_path_factory):
    """A training of 8 steps that has ended."""
    out = tmp_path_factory.mktemp("done")
    trainer(WORLD, small_shards, out).train()
    return out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lr=0.1", "other settings, training.lr was 0.0006, is 0.1"),
        ("training.seed=7", "other settings, training.seed was 0, is 7"),
        ("training.warmup=3", "training.warmup was 2, is 3"),
        ("training.evaluate_batches=3", "training.evaluate_batches was 2, is 3"),
        ("training.batch=6", r"trained with 3 items an update \(training.batch=3.*\), not 6; --restart"),
        ("training.accumulate=2", r"not 6; give training.accumulate=1; or --restart"),
        ("decoder.channels=14", "another model, decoder.channels was 12, is 14"),
        ("quantizer=gradient", "another model, quantizer.name was ema, is gradient"),
        ("training.steps=5", "has come to step 8 of 8, which is not the end of training.steps=5; give more than 8"),
    ],
)
def test_other_settings_never_pass_as_done(small_shards, done, override, message):
    old = (done / "last.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=message) as raised:
        trainer(WORLD, small_shards, done, override)
    assert str(raised.value).endswith(FIX)
    assert (done / "last.safetensors").read_bytes() == old


@pytest.mark.parametrize(
    "override",
    ["training.evaluate_every=4", "training.listen_every=7", "training.keep_from=3", "training.precision=auto"],
)
def test_what_changes_no_result_may_change(small_shards, done, override):
    again = trainer(WORLD, small_shards, done, override)
    assert again.step == 8 and again.train().losses == []


def test_steps_that_were_planned_are_not_steps_that_were_taken(small_shards, tmp_path, monkeypatch):
    """The recipe's case: 6 steps, then 400, killed at 5; then 5 are not the 5 of a training of 5."""
    one_step = Trainer._one_step

    def dying(self, counts):
        if self.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return one_step(self, counts)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_one_step", dying)
        assert trainer(WORLD, small_shards, tmp_path, "training.steps=400").train().step == 6
    with pytest.raises(ConfigError, match="has come to step 6 of 400, which is not the end of training.steps=6"):
        trainer(WORLD, small_shards, tmp_path, "training.steps=6")
    assert trainer(WORLD, small_shards, tmp_path, "training.steps=7").train().step == 7


def test_another_dump_is_told_from_the_same_one_dumped_again(small_data, small_shards, tmp_path):
    write_shards(small_data, tmp_path / "a", with_world=True)
    out = tmp_path / "out"
    trainer(WORLD, read_shards(tmp_path / "a"), out, "training.steps=3").train()
    write_shards(small_data, tmp_path / "b", with_world=True, shard_samples=20_000)
    assert trainer(WORLD, read_shards(tmp_path / "b"), out, "training.steps=3").step == 3, "in other files, elsewhere"
    fewer = [one for one in small_data if one.id != "low-3"]
    for other in (small_data.subset(utterances=[one.id for one in fewer]), small_data):
        write_shards(other, tmp_path / "c", with_world=True)
        dump = read_shards(tmp_path / "c")
        if other is small_data:  # the same utterances, one of them sounds otherwise
            audio = np.memmap(tmp_path / "c" / "audio.000.s16", np.int16, "r+")
            audio[:1000] += 1
            dump = replace(dump, sha256="")
            trainer(
                WORLD, replace(read_shards(tmp_path / "a"), sha256=""), tmp_path / "old", "training.steps=3"
            ).train()
        where = tmp_path / "old" if other is small_data else out
        with pytest.raises(ConfigError, match=f"has learned from other data, (train|dev) is not what it was; {FIX}"):
            trainer(WORLD, dump, where, "training.steps=3")


def test_another_encoder_under_the_same_name_is_told(small_shards, tmp_path):
    taken = f"training.encoder={tmp_path}/first/best.safetensors"
    trainer(WORLD, small_shards, tmp_path / "first").train()
    trainer("mini_wavenet", small_shards, tmp_path / "second", taken, "training.steps=3").train()
    trainer(WORLD, small_shards, tmp_path / "first", "training.seed=3", restart=True).train()
    with pytest.raises(ConfigError, match="learned from other data, encoder is not what it was"):
        trainer("mini_wavenet", small_shards, tmp_path / "second", taken)
    for path in (tmp_path / "first").glob("*.safetensors"):
        path.unlink()
    assert trainer("mini_wavenet", small_shards, tmp_path / "second", taken).step == 3, "it is needed no more"


def test_restart(small_shards, tmp_path):
    run = ["training.steps=3", "training.keep_from=1"]
    trainer(WORLD, small_shards, tmp_path, "training.seed=1", *run).train()
    (tmp_path / "scores.json").write_text("{}")
    again = trainer(WORLD, small_shards, tmp_path, "training.steps=3", restart=True)
    assert os.listdir(tmp_path) == ["scores.json"], "what training left, and nothing else, is gone"
    assert again.step == 0 and again.train().losses == trainer(WORLD, small_shards, tmp_path / "b", *run).train().losses


def test_files_of_older_versions_go_on(small_shards, tmp_path):
    whole = trainer(WORLD, small_shards, tmp_path / "whole").train().losses
    trainer(WORLD, small_shards, tmp_path / "old", "training.steps=3").train()
    path = tmp_path / "old" / "last.safetensors"
    tensors, about = checkpoint.read(path)
    task = SpeechTask(load_config(WORLD, KINDS[WORLD]), small_shards, small_shards)
    names = [name for name, one in task.model.named_parameters() if one.requires_grad]
    numbered = {}
    for name, tensor in tensors.items():
        if name.startswith("training."):
            parameter, field = name.removeprefix("training.").rsplit(".", 1)
            name = f"training.{names.index(parameter)}.{field}"
        numbered[name] = tensor
    about = {key: about[key] for key in ("config", "speakers", "step", "best", "training")}
    about["training"]["steps"] = 8
    checkpoint.write(path, numbered, about)
    assert trainer(WORLD, small_shards, tmp_path / "old").train().losses == whole[3:]
    checkpoint.write(path, {**tensors, "training.encoder.no.weight.exp_avg": torch.zeros(1)}, about)
    with pytest.raises(CheckpointError, match="the optimiser's state of 'encoder.no.weight' is not of this model"):
        trainer(WORLD, small_shards, tmp_path / "old")


def test_another_number_of_processes_is_refused_where_an_update_would_be_another(small_shards, done):
    task = SpeechTask(load_config(WORLD, KINDS[WORLD]), small_shards, small_shards)
    run = training.describe_run(task, 1, "fp32")
    path = done / "last.safetensors"
    assert read_state(path, run, task).about["step"] == 8
    with pytest.raises(ConfigError, match=r"with 3 items an update .*, 1 process\(es\)\), not 6; --restart"):
        read_state(path, run | {"processes": 2}, task)
    tensors, about = checkpoint.read(path)
    two = path.with_name("two.safetensors")
    checkpoint.write(two, tensors, about | {"processes": 2})
    with pytest.raises(ConfigError, match="not 3; give training.accumulate=2; or --restart"):
        read_state(two, run, task)
    run["training"] |= {"accumulate": 2}
    assert read_state(two, run, task).about["processes"] == 2
    assert list_changes(about | {"processes": 2, "precision": "bf16"}, run) == [
        "precision was bf16, is fp32", "number of processes was 2, is 1",
    ]  # fmt: skip


# What is not finite


def broken(monkeypatch, step, what):
    """A training whose weights, moments or gradient are not finite from a step on."""
    one_step = Trainer._one_step

    def breaking(self, counts):
        if self.step == step and what == "gradient":
            handle = self.model.encoder.projection.weight.register_hook(lambda grad: grad * float("inf"))
            try:
                return one_step(self, counts)
            finally:
                handle.remove()
        loss = one_step(self, counts)
        if self.step == step:
            weight = self.model.decoder.output.weight
            with torch.no_grad():
                (weight if what == "weight" else self.optimizer.state[weight]["exp_avg_sq"])[0] = float("nan")
        return loss

    monkeypatch.setattr(Trainer, "_one_step", breaking)


@pytest.mark.parametrize("what", ["weight", "moment", "gradient"])
def test_what_is_not_finite_is_never_saved(small_shards, tmp_path, monkeypatch, what):
    with monkeypatch.context() as patched:
        broken(patched, 6, what)
        stays = "at step 6 .* finite; .*last.safetensors is of step 3, and stays"
        with pytest.raises(DivergenceError, match=stays) as told:
            trainer(WORLD, small_shards, tmp_path).train()
    assert "lower training.lr, or train with training.precision=fp32, to another --out or with --restart" in str(
        told.value
    )
    for name in ("best", "last"):
        tensors, about = checkpoint.read(tmp_path / f"{name}.safetensors")
        assert about["step"] == 3 and not checkpoint.find_not_finite(tensors)
    assert [line["step"] for line in read_curves(tmp_path / "curves.jsonl")] == [3]
    assert trainer(WORLD, small_shards, tmp_path).train().step == 8, "and training goes on from there"


def test_a_stop_saves_nothing_that_is_not_finite(small_shards, tmp_path, monkeypatch):
    broken(monkeypatch, 2, "weight")
    run = trainer(WORLD, small_shards, tmp_path)
    stopped = Trainer._stopped
    monkeypatch.setattr(Trainer, "_stopped", lambda self: setattr(self, "_stop", self.step == 2) or stopped(self))
    with pytest.raises(DivergenceError, match="at step 2 model.decoder.output.weight is not finite; nothing was saved"):
        run.train()
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_learning_rate_that_is_far_too_high_leaves_room_for_a_lower_one(small_shards, tmp_path):
    run = ["training.evaluate_every=1", "training.warmup=1", "training.steps=3"]
    with pytest.raises(DivergenceError, match="at step 1 .*nothing was saved"):
        trainer(WORLD, small_shards, tmp_path, "training.lr=1e38", *run).train()
    assert trainer(WORLD, small_shards, tmp_path, "training.lr=1e-4", *run).train().step == 3


# Where and by whom


def test_two_trainings_in_one_folder(small_shards, tmp_path):
    def inner():
        raise AssertionError("made before the lock was looked at")

    def outer():
        with pytest.raises(OutputError, match=f"being written to by process {os.getpid()}"):
            train(inner, tmp_path)
        return SpeechTask(load_config(WORLD, [*KINDS[WORLD], "training.steps=1"]), small_shards, small_shards)

    assert train(outer, tmp_path).step == 1 and not (tmp_path / ".lock").exists()


@pytest.mark.parametrize(
    ("available", "native", "expected"), [(True, True, "bf16"), (True, False, "no"), (False, True, None)]
)
def test_auto_is_bf16_only_where_a_gpu_has_it(monkeypatch, available, native, expected):
    asked = []

    def supported(including_emulation=True):
        asked.append(including_emulation)
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    found = resolve_precision("auto")
    if expected is None:
        assert not asked and found == ("bf16" if torch.cpu._is_avx512_bf16_supported() else "no")
    else:
        assert found == expected and asked == [False]
    assert resolve_precision("bf16") == "bf16" and resolve_precision("fp32") == "no"


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("broken")])
def test_memory_that_is_short_is_told_with_what_helps(small_shards, tmp_path, monkeypatch, error):
    one_step = Trainer._one_step

    def failing(self, counts):
        if self.step == 4:
            raise error
        return one_step(self, counts)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_one_step", failing)
        kind = RuntimeError if str(error) == "broken" else ConfigError
        with pytest.raises(
            kind, match="broken|out of memory at step 4; .* is of step 3, and stays; halve training.batch"
        ):
            trainer(WORLD, small_shards, tmp_path, "training.batch=4").train()
    again = trainer(WORLD, small_shards, tmp_path, "training.batch=2", "training.accumulate=2")
    assert again.step == 3 and again.train().step == 8


@pytest.mark.parametrize("moment", range(1, 8))
def test_ctrl_c_while_something_is_saved_leaves_what_was_there(small_shards, tmp_path, monkeypatch, moment):
    """Twice, so that it does not wait for the end of the step; at the first rename, the second, and so on."""
    whole = trainer(WORLD, small_shards, tmp_path / "whole").train().losses
    renamed, rename = [], os.replace

    def interrupted(source, target):
        renamed.append(target)
        if len(renamed) == moment:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer(WORLD, small_shards, tmp_path / "cut").train()
    assert not [path for path in (tmp_path / "cut").iterdir() if ".tmp" in path.name]
    again = trainer(WORLD, small_shards, tmp_path / "cut")
    begun = again.step
    assert begun in (0, 3, 6) and again.train().losses == whole[begun:]
    assert [line["step"] for line in read_curves(tmp_path / "cut" / "curves.jsonl")] == [3, 6, 8]
    a, b = (checkpoint.read(tmp_path / name / "best.safetensors")[0] for name in ("whole", "cut"))
    assert all(torch.equal(a[name], b[name]) for name in a if name != "model.pitch")
