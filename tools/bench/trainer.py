"""The trainer beside a plainly written loop: steps a second of the paper's models, and whether losses are the same.

The training of a content encoder has a loop of its own, and is measured by itself.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speech import dumped, speech

from vqspeech import audio
from vqspeech.conf import load_config, vision
from vqspeech.training.content_features import Speech
from vqspeech.training.masked import MaskedTraining
from vqspeech.training.optimizer import group_parameters, reset_moved_codes
from vqspeech.training.speech import SpeechTask
from vqspeech.training.task import Task
from vqspeech.training.trainer import Trainer, learning_rate
from vqspeech.vision.data.images import Image, ImageSet, write_images
from vqspeech.vision.training.reconstruction import ImageTask

SMALL = {
    "vctk": ["decoder.layers=10", "decoder.residual=32", "decoder.skip=64", "encoder.channels=64", "training.batch=4",
             "training.seconds=0.16"],
    "cifar10_vqvae": ["network.channels=16", "training.batch=2"],
}  # fmt: skip
"""The models on a CPU: so small that what a step costs beside its arithmetic shows."""
ON_CPU = {"vctk": ["plain", "drawn ahead", "resident"], "cifar10_vqvae": ["plain", "drawn ahead"]}
ON_GPU = {
    "vctk": ["plain", "resident", "drawn ahead", "not captured"],
    "cifar10_vqvae": ["plain", "drawn ahead", "not captured"],
}
KINDS = {
    "plain": [],
    "resident": ["training.resident=always"],
    "drawn ahead": ["training.resident=never"],
    "not captured": ["training.capture=false"],
}


def rates(name: str, steps: int) -> dict[str, Any]:
    """Measure each kind of loop over as many steps, in turns.

    Args:
        name: Configuration of the model: vctk or cifar10_vqvae.
        steps: Steps of each measurement; a quarter of them are taken before the clock starts.

    Returns:
        {"rates": steps a second by kind, "items": of a step, "unit", "device", "same": whether all losses are equal}.
    """
    on_gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        make, found, losses = _prepare(name, folder), {}, {}
        for kind in (ON_GPU if on_gpu else ON_CPU)[name]:
            rest = [f"training.steps={steps}", f"training.evaluate_every={10 * steps}", "training.evaluate_batches=1"]
            task = make([*([] if on_gpu else SMALL[name]), *rest, "training.precision=fp32", *KINDS[kind]])
            run = _run_plain if kind == "plain" else _run_trainer
            found[kind], losses[kind] = run(task, steps, Path(folder) / kind.replace(" ", "-"))
    device = torch.cuda.get_device_name() if on_gpu else "cpu"
    same = all(one == losses["plain"] for one in losses.values())
    items = task.options["batch"] * task.length
    return {"rates": found, "items": items, "unit": task.items, "device": device, "same": same}


def content(seconds: float) -> dict[str, Any]:
    """Measure the training of a content encoder, `content` on a GPU and `content_small` on a CPU, for some seconds.

    Returns:
        {"name": of the configuration, "rate": seconds of speech a second, targets and codebook aside, "device"}.
    """
    on_gpu = torch.cuda.is_available()
    name = "content" if on_gpu else "content_small"
    speech_in = Speech.join((speech(8.0, audio.RATE, seed) * 32767).astype(np.int16) for seed in range(12))
    settings = [f"training.minutes={seconds / 60}", "training.rounds=1", "training.coarse=[16]", "training.fine=[32]"]
    config = load_config(name, [*settings, "quantizer.codes=16"])
    learned = []

    class Timed(MaskedTraining):
        def _learn(self, targets: torch.Tensor, seconds: float) -> None:
            super()._learn(targets, seconds / 4)
            _wait()
            before, began = self.step, time.perf_counter()
            super()._learn(targets, seconds / 2)
            _wait()
            learned.append((self.step - before) / (time.perf_counter() - began))

    Timed(config, speech_in, "cuda" if on_gpu else "cpu", lambda _: None).run()
    rate = learned[0] * config["training"]["batch"] * config["training"]["seconds"]
    return {"name": name, "rate": rate, "device": torch.cuda.get_device_name() if on_gpu else "cpu"}


def _prepare(name: str, folder: str) -> Callable[[list[str]], Task]:
    """Make the data of a model; return what makes its task of settings."""
    if name == "vctk":
        dump = dumped(folder, 60.0)
        return lambda settings: SpeechTask(load_config(name, [*settings, "training.listen_every=1000000"]), dump, dump)
    images = _write_noise(Path(folder) / "images")
    return lambda settings: ImageTask(vision.load_config(name, settings), images, images)


def _write_noise(path: Path) -> ImageSet:
    """Write images of noise, whose levels do not change what a step costs."""
    draw = np.random.default_rng(0)
    return write_images(path, (Image(str(i), draw.integers(0, 256, (3, 32, 32), np.uint8)) for i in range(512)))


def _run_trainer(task: Task, steps: int, out: Path) -> tuple[float, list[float]]:
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


def _run_plain(task: Task, steps: int, _: Path) -> tuple[float, list[float]]:
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
