"""The trainer's step: the losses of a plain loop, without waiting for the device, from batches drawn ahead."""

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.test_trainer import KINDS, trainer
from vqspeech.conf import load_config
from vqspeech.data.dump import read_shards, write_shards
from vqspeech.errors import ConfigError, DivergenceError
from vqspeech.models import checkpoint
from vqspeech.training import batches as batches_module
from vqspeech.training.batches import BatchQueue, choose_batches, count_bytes
from vqspeech.training.capture import AdamW, capture_step
from vqspeech.training.optimizer import group_parameters, learning_rate, reset_moved_codes
from vqspeech.training.speech import SpeechTask
from vqspeech.training.step import TrainingStep
from vqspeech.training.trainer import Trainer

CPU = torch.device("cpu")


def plain_losses(task):
    """Losses of the loop written down plainly: everything is read back at once, nothing is drawn ahead."""
    model, options = task.model, task.options
    task.initialize()
    groups = group_parameters(model, options["weight_decay"])
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)
    losses, counts = [], torch.zeros(task.codes)
    model.train()
    for step in range(options["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        total = 0.0
        for part in range(options["accumulate"]):
            draw = step * options["accumulate"] + part
            torch.manual_seed(hash((options["seed"], draw, 0)) & 0x7FFFFFFF)
            terms, codes, mask = model(task.batches.random(options["batch"], options["seed"], draw, 0))
            loss = torch.stack(list(terms.values())).sum()
            (loss / options["accumulate"]).backward()
            counts += codes[mask].bincount(minlength=len(counts))
            total += float(loss.detach()) / options["accumulate"]
        reset_moved_codes(model, optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["clip"])
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    return losses, counts, model.state_dict()


@pytest.mark.parametrize("name", ["librispeech_world", "vctk"])
@pytest.mark.parametrize(
    "override",
    [
        "training.accumulate=1",
        "training.accumulate=2",
        "training.resident=always",
        "training.buffer=1e-4 training.resident=always",
        "quantizer=gradient quantizer.revive_below=0.5",  # codes that are replaced forget their moments
        "training.seconds=1.5 training.steps=3",  # codes behind the end of a short utterance do not count
    ],
)
def test_losses_and_weights_are_those_of_the_plain_loop(name, override, small_shards, tmp_path, monkeypatch):
    overrides = [*KINDS[name], *override.split(), "training.evaluate_every=100", "training.check_every=3"]
    task = SpeechTask(load_config(name, overrides), small_shards, small_shards)
    losses, counts, weights = plain_losses(task)
    used = []
    evaluate = Trainer._evaluate

    def look(self, log, loss, seen, rate):
        used.append(seen.clone())
        return evaluate(self, log, loss, seen, rate)

    monkeypatch.setattr(Trainer, "_evaluate", look)
    run = trainer(name, small_shards, tmp_path, *overrides)
    assert run.train().losses == losses
    assert torch.equal(used[0], counts)
    for key, value in run.model.state_dict().items():
        assert torch.equal(value, weights[key]) or torch.isnan(value).any(), key


@pytest.mark.parametrize("every", [1, 4, 100])
def test_how_often_losses_are_read_changes_none(every, small_shards, tmp_path):
    run = trainer("vctk", small_shards, tmp_path / "a", f"training.check_every={every}").train()
    assert run.losses == trainer("vctk", small_shards, tmp_path / "b").train().losses and len(run.losses) == 8


def test_a_gradient_that_is_not_finite_is_found_at_its_step_and_the_last_checkpoint_stays(
    small_shards, tmp_path, monkeypatch
):
    one_step = Trainer._one_step

    def breaking(self, counts):
        if self.step != 4:
            return one_step(self, counts)
        handle = self.model.decoder.logits.weight.register_hook(lambda grad: grad * float("inf"))
        try:
            return one_step(self, counts)
        finally:
            handle.remove()

    monkeypatch.setattr(Trainer, "_one_step", breaking)
    message = "at step 4 the loss, or its gradient, is not finite; .*last.safetensors is of step 3, and stays"
    with pytest.raises(DivergenceError, match=message):
        trainer("vctk", small_shards, tmp_path).train()
    tensors, about = checkpoint.read(tmp_path / "last.safetensors")
    assert about["step"] == 3 and not checkpoint.find_not_finite(tensors)


class Waits(TorchDispatchMode):
    """Operations that read values back from the device: on a GPU they wait, and a graph cannot be captured."""

    READS = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "is_nonzero", "equal", "unique")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = [one for one in args[1] if one is not None and one.dtype == torch.bool] if name == "index" else []
        if any(name.startswith(one) for one in self.READS) or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["vctk", "librispeech_world"])
def test_a_step_with_the_papers_codebook_waits_for_nothing(name, small_shards, tmp_path, monkeypatch):
    """But for what the codebook asks on a CPU alone: whether its input is finite and it was fitted."""
    run = trainer(name, small_shards, tmp_path, "quantizer=paper", "quantizer.codes=16", "training.steps=1")
    step = TrainingStep(run.accelerator, run.model, run.wrapped, run.optimizer, run.options, torch.zeros(16))
    batch, waits = run.task.batches.random(3, 0, 0), Waits()
    monkeypatch.setattr(type(run.model.quantizer), "_is_fitted", lambda self: True)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True), raising=False)
    run.model.train()
    step([batch], [0])
    with waits:
        step([batch], [1])
    # The fused optimiser of a CPU keeps its step in Python.
    assert not waits.found
    assert math.isfinite(float(step.figures[0]))


def test_the_trainer_waits_for_nothing_between_two_checks(small_shards, tmp_path, monkeypatch):
    waits, one_step = Waits(), Trainer._one_step

    def watched(self, counts):
        if self.step == 0:  # allocates
            return one_step(self, counts)
        with monkeypatch.context() as gpu, waits:
            gpu.setattr(torch.Tensor, "is_cuda", property(lambda self: True), raising=False)
            gpu.setattr(type(self.model.quantizer), "_is_fitted", lambda self: True)
            return one_step(self, counts)

    monkeypatch.setattr(Trainer, "_one_step", watched)
    overrides = ("quantizer=paper", "quantizer.codes=16", "training.check_every=4", "training.accumulate=2")
    assert len(trainer("vctk", small_shards, tmp_path, *overrides).train().losses) == 8
    assert not waits.found


# Batches


def same(one, other):
    for name, tensor in vars(one).items():
        theirs = getattr(other, name)
        assert (tensor is None) == (theirs is None), name
        if tensor is not None:
            assert tensor.dtype == theirs.dtype and torch.equal(tensor, theirs), name
            assert tensor.stride() == theirs.stride(), name


@pytest.mark.parametrize("name", ["librispeech_world", "vctk"])
def test_a_resident_dump_gives_the_same_batches(name, small_data, tmp_path):
    write_shards(small_data, tmp_path / "many", with_world=True, shard_samples=20_000)
    dump = read_shards(tmp_path / "many")
    assert len(dump.audio_maps) > 1
    task = SpeechTask(load_config(name, [*KINDS[name], "training.seconds=1.0"]), dump, dump)
    resident = choose_batches(task.batches, "always", CPU)
    assert resident is not task.batches and choose_batches(task.batches, "auto", CPU) is task.batches
    for step in range(5):
        same(task.batches.random(7, 3, step, 1), resident.random(7, 3, step, 1))
    assert count_bytes(task.batches) == 2 * dump.length.sum() + sum(one.nbytes for one in dump.world_maps)


def test_batches_come_in_order_and_errors_with_them(small_shards):
    task = SpeechTask(load_config("vctk", KINDS["vctk"]), small_shards, small_shards)
    drawn = []

    def draw(number):
        drawn.append(number)
        if number == 9:
            raise ConfigError("no such batch")
        return task.batches.random(2, 0, number)

    queue = BatchQueue(draw, 5, CPU)
    for number in range(5, 9):
        same(queue.take(), task.batches.random(2, 0, number))
    with pytest.raises(ConfigError, match="no such batch"):
        queue.take()
    queue.close()
    assert drawn == list(range(5, 5 + len(drawn))) and len(drawn) <= 5 + batches_module.AHEAD


def test_a_batch_is_drawn_while_the_one_before_is_used():
    moments = []

    class Nothing:
        def to(self, device):
            return self

    def draw(number):
        moments.append((number, time.perf_counter()))
        return Nothing()

    queue = BatchQueue(draw, 0, CPU)  # pyright: ignore[reportArgumentType]
    queue.take()
    deadline = time.perf_counter() + 10
    while len(moments) <= batches_module.AHEAD and time.perf_counter() < deadline:
        time.sleep(0.001)
    queue.close()
    assert [number for number, _ in moments] == [0, 1, 2]


# Capture


@pytest.mark.parametrize(
    ("override", "processes", "reason"),
    [
        ("training.capture=false", 1, "training.capture=false"),
        ("training.accumulate=2", 1, "each part of an accumulated update has a seed of its own"),
        ("training.capture=true", 2, "several processes exchange gradients"),
        ("training.capture=true", 1, ""),
    ],
)
def test_what_cannot_be_captured_runs_as_it_is_and_is_told(
    override, processes, reason, small_shards, tmp_path, monkeypatch, messages
):
    """On a stand-in for a GPU."""
    run = trainer("vctk", small_shards, tmp_path, "quantizer=paper", override)
    accelerator = SimpleNamespace(device=SimpleNamespace(type="cuda"), num_processes=processes)
    captured = []
    monkeypatch.setattr("vqspeech.training.step.torch.zeros", lambda *_, **__: None)
    monkeypatch.setattr("vqspeech.training.step.capture_step", lambda step, device: captured.append(step) or step)
    messages()
    step = TrainingStep(accelerator, run.model, run.wrapped, run.optimizer, run.options, None)  # pyright: ignore
    batch = run.task.batches.random(2, 0, 0)
    step._choose([batch])
    step._choose([batch])
    assert len(captured) == (0 if reason else 1), "one graph for batches of one shape"
    assert (f"the training step is not captured as a CUDA graph ({reason})" in messages()) == bool(reason)


@pytest.mark.parametrize("chosen", [True, False])
def test_the_network_is_compiled_by_choice(chosen, small_shards, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, *_, **__: compiled.append(self))
    run = trainer("vctk", small_shards, tmp_path, f"training.compile={chosen}")
    assert compiled == ([run.task.network] if chosen else [])


def test_on_a_cpu_the_step_is_the_plain_function():
    def step():
        pass

    assert capture_step(step, CPU) is step


def test_a_rate_set_by_number_and_by_tensor_takes_the_same_steps():
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizers = [AdamW([{"params": [one], "weight_decay": 0.1}], CPU, (0.9, 0.99)) for one in weights]
    for group in optimizers[1].param_groups:
        group["lr"] = torch.zeros((), dtype=torch.float64)
    for rate in (0.1, 0.02):
        for one, optimizer in zip(weights, optimizers, strict=True):
            one.grad = torch.arange(3.0)
            optimizer.set_rate(rate)
            optimizer.step()
    assert torch.equal(*weights) and not np.allclose(weights[0].detach(), 1)
    assert isinstance(optimizers[1].param_groups[0]["lr"], torch.Tensor)


def test_a_captured_step_is_taken_at_every_call_or_says_why_not(monkeypatch, messages):
    """With a stand-in for CUDA: every call is one step, before the capture, after it, and where it fails."""
    from vqspeech.training import capture

    class Nothing:
        def __init__(self, *_, **__):
            pass

        def __getattr__(self, name):
            return lambda *_, **__: None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    taken = []

    class Graph(Nothing):
        def replay(self):
            taken.append("graph")

    capturing = []

    class Capture(Nothing):
        def __enter__(self):
            capturing.append(1)
            return self

        def __exit__(self, *_):
            capturing.pop()
            return False

    monkeypatch.setattr(capture.torch.cuda, "Stream", Nothing)
    monkeypatch.setattr(capture.torch.cuda, "current_stream", Nothing)
    monkeypatch.setattr(capture.torch.cuda, "stream", Nothing)
    monkeypatch.setattr(capture.torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(capture.torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(capture.torch.cuda, "graph", Capture)

    def step():
        if not capturing:
            taken.append("plain")

    run = capture_step(step, torch.device("cuda"))
    for _ in range(capture.WARM_UP + 2):
        run()
    assert taken == ["plain"] * capture.WARM_UP + ["graph"] * 2 and not messages()

    def waiting():
        if capturing:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        taken.append("plain")

    taken.clear()
    run = capture_step(waiting, torch.device("cuda"))
    for _ in range(capture.WARM_UP + 2):
        run()
    assert taken == ["plain"] * (capture.WARM_UP + 2)
    line = "the training step is not captured as a CUDA graph (operation not permitted when stream is capturing); "
    assert messages().startswith(line)
