"""The trainer beside a plainly written loop: steps a second of the vctk model, and whether losses are the same."""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from speech import dumped

from vqspeech.conf import load_config
from vqspeech.data.dump import Shards
from vqspeech.training.optimizer import group_parameters, reset_moved_codes
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import Trainer, learning_rate

SMALL = [
    "decoder.layers=10", "decoder.residual=32", "decoder.skip=64", "encoder.channels=64", "training.batch=4",
    "training.seconds=0.16",
]  # fmt: skip
"""The model on a CPU: so small that what a step costs beside its arithmetic shows."""
ON_GPU = ["plain", "resident", "drawn ahead", "not captured"]
KINDS = {
    "plain": [],
    "resident": ["training.resident=always"],
    "drawn ahead": ["training.resident=never"],
    "not captured": ["training.capture=false"],
}


def rates(steps: int) -> dict[str, Any]:
    """Measure each kind of loop over as many steps, in turns.

    Args:
        steps: Steps of each measurement; a quarter of them are taken before the clock starts.

    Returns:
        {"rates": steps a second by kind, "samples": of a step, "device", "same": whether all losses are equal}.
    """
    on_gpu = torch.cuda.is_available()
    kinds = ON_GPU if on_gpu else ["plain", "drawn ahead", "resident"]
    with tempfile.TemporaryDirectory() as folder:
        dump, found, losses = dumped(folder, 60.0), {}, {}
        for kind in kinds:
            task = _task(dump, steps, [] if on_gpu else SMALL, KINDS[kind])
            run = _run_plain if kind == "plain" else _run_trainer
            found[kind], losses[kind] = run(task, steps, Path(folder) / kind.replace(" ", "-"))
    device = torch.cuda.get_device_name() if on_gpu else "cpu"
    same = all(one == losses["plain"] for one in losses.values())
    return {"rates": found, "samples": task.options["batch"] * task.length, "device": device, "same": same}


def _task(dump: Shards, steps: int, size: list[str], kind: list[str]) -> SpeechTask:
    rest = [f"training.steps={steps}", f"training.evaluate_every={10 * steps}", "training.evaluate_batches=1"]
    rest += ["training.precision=fp32", "training.listen_every=1000000"]
    return SpeechTask(load_config("vctk", [*size, *rest, *kind]), dump, dump)


def _run_trainer(task: SpeechTask, steps: int, out: Path) -> tuple[float, list[float]]:
    """Return the steps per second of the trainer, without the last evaluation, and the losses."""
    times = []

    class Timed(Trainer):
        def _one_step(self, counts: torch.Tensor) -> None:
            if self.step == steps // 4:
                _wait()
                times.append(time.perf_counter())
            super()._one_step(counts)

        def _evaluate(self, *_: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            _wait()
            times.append(time.perf_counter())

    losses = Timed(task, out).train().losses
    return (steps - steps // 4) / (times[1] - times[0]), losses


def _run_plain(task: SpeechTask, steps: int, _: Path) -> tuple[float, list[float]]:
    """Return the same of a loop that draws, copies and reads back in every step."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options, model = task.options, task.model
    task.initialize()
    model.to(device).train()
    optimizer = torch.optim.AdamW(group_parameters(model, options["weight_decay"]), betas=(0.9, 0.99), fused=True)
    losses, started = [], 0.0
    for step in range(steps):
        if step == steps // 4:
            _wait()
            started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        torch.manual_seed(hash((options["seed"], step, 0)) & 0x7FFFFFFF)
        terms, _, _ = model(task.batches.random(options["batch"], options["seed"], step).to(device))
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        reset_moved_codes(model, optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["clip"])
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    _wait()
    return (steps - steps // 4) / (time.perf_counter() - started), losses


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
