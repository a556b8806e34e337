"""The training loop, of whatever a task has it train: a model of speech, a prior over its codes, a model of images.

Every random draw of a step comes from (seed, step, process), so a run that was stopped and resumed makes the very
losses of one that never was, and the only state to keep beside the weights is the optimiser's.
"""

import math
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import Tensor
from tqdm import tqdm

from vqspeech.errors import ConfigError
from vqspeech.metrics.codebook import perplexity, used
from vqspeech.metrics.scores import this_command
from vqspeech.models import checkpoint
from vqspeech.models.quantize.processes import summed
from vqspeech.training.log import Log
from vqspeech.training.task import Task

KEPT = "kept"
"""Folder of the models that `training.keep_from` keeps, each in a folder of its own, as an experiment has it."""
INTERRUPTED = 130
"""Exit status of a training that was stopped by a signal, after it saved."""


@dataclass
class Ended:
    """How training ended: the step reached, whether by a signal, and the loss of every step made in this run."""

    step: int
    interrupted: bool
    losses: list[float]

    def status(self) -> int:
        """Exit status: 0, or 130 where a signal stopped it, which is said."""
        if self.interrupted:
            print(f"stopped at step {self.step}, saved; the same command goes on from there", file=sys.stderr)
        return INTERRUPTED if self.interrupted else 0


class Trainer:
    """Trains the model of `task`. Checkpoints and logs go to `out`.

    Where `out` holds `last.safetensors`, training goes on from there. Raises `ConfigError` where that is of another
    configuration, `CheckpointError` where it is damaged.
    """

    def __init__(self, task: Task, out: str | Path):
        self.task, self.options, self.out = task, task.options, Path(out)
        AcceleratorState._reset_state()  # a process may train twice, each time in its own precision
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision=precision(self.options["precision"]),
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        model = task.model
        self.last = self.out / f"last{checkpoint.SUFFIX}"
        self.step, self.best, kept = 0, math.inf, {}
        if self.last.is_file():
            kept, about = checkpoint.read(self.last)
            if any(about.get(key) != value for key, value in model.about.items()):
                raise ConfigError(f"{self.last} is of another configuration or data; train to another --out")
            model.load_state_dict({k[6:]: v for k, v in kept.items() if k.startswith("model.")})
            self.step, self.best = about["step"], about["best"]
        else:
            task.begin()
        optimizer = torch.optim.AdamW(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            betas=(0.9, 0.99),
            weight_decay=self.options["weight_decay"],
            fused=True,
        )
        if kept:
            _load_optimizer(optimizer, kept)
        if self.options["compile"]:
            task.network.compile()
        self.model = model
        self.wrapped, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.main = self.accelerator.is_main_process
        self._stop = False

    def train(self) -> Ended:
        """Trains to the last step, or until SIGINT or SIGTERM, which save first."""
        options, losses = self.options, []
        log = Log(self.out) if self.main else None
        handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        counts = torch.zeros(self.task.codes, device=self.accelerator.device)
        begun, begun_at = time.perf_counter(), self.step
        self.wrapped.train()
        if self.main:
            learned = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
            print(
                f"{self.out}: {learned:,} parameters to learn, from step {self.step} on {self.accelerator.device} in "
                f"{'bf16' if self.accelerator.mixed_precision == 'bf16' else 'fp32'}, "
                f"{self.accelerator.num_processes} process(es); tensorboard --logdir {self.out}",
                file=sys.stderr,
            )
        try:
            with tqdm(
                total=options["steps"],
                initial=self.step,
                desc="train",
                unit="step",
                disable=not self.main,
                mininterval=0.1 if sys.stderr.isatty() else 30,  # a log gets a line now and then
            ) as bar:
                while self.step < options["steps"] and not self._stopped():
                    loss = self._one_step(counts)
                    losses.append(loss)
                    bar.update()
                    rate = self._items_a_step * (self.step - begun_at) / (time.perf_counter() - begun)
                    bar.set_postfix_str(f"loss {loss:.3f}, {self.task.speed(rate)}", False)
                    if self.step % options["evaluate_every"] == 0 or self.step == options["steps"]:
                        self._evaluate(log, loss, summed(counts), rate)
                        counts.zero_()
                    if self.main and self._is_kept():
                        self._keep()
                    if log:
                        self.task.show(log, self.step)
            if self._stop and self.main:
                self._save()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self.accelerator.wait_for_everyone()
        return Ended(self.step, self._stop, losses)

    def _one_step(self, counts: Tensor) -> float:
        options, process = self.options, self.accelerator.process_index
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, options)
        total = 0.0
        for part in range(options["accumulate"]):
            draw = self.step * options["accumulate"] + part
            # One seed a step, and a process's own beside it: dropout differs between processes and survives a resume.
            torch.manual_seed(hash((options["seed"], draw, process)) & 0x7FFFFFFF)
            batch = self.task.batches.random(options["batch"], options["seed"], draw, process).to(
                self.accelerator.device
            )
            with self.accelerator.autocast():
                losses, codes, mask = self.wrapped(batch)
            loss = torch.stack(list(losses.values())).sum()
            self.accelerator.backward(loss / options["accumulate"])
            counts += codes[mask].bincount(minlength=len(counts))
            total += float(loss.detach()) / options["accumulate"]
        if not math.isfinite(total):
            raise ConfigError(f"the loss is not finite at step {self.step}; lower training.lr, or train with fp32")
        self.accelerator.clip_grad_norm_(self.model.parameters(), options["clip"])
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return total

    def _evaluate(self, log: Log | None, loss: float, counts: Tensor, rate: float) -> None:
        if log is None:
            self.accelerator.wait_for_everyone()
            return
        with self.accelerator.autocast():
            figures = self.task.held_out(self.options["batch"], self.options["evaluate_batches"])
        seen = counts.cpu().numpy()
        figures |= {
            "train_loss": loss,
            "train_perplexity": perplexity(seen),
            "train_used": float(used(seen)),
            "lr": learning_rate(self.step, self.options),
            f"{self.task.items}_per_second": rate,
            f"{self.task.items}_seen": float(self._items_a_step * self.step),
        }
        log.figures(self.step, figures)
        tqdm.write(f"step {self.step}: {self.task.summary(figures)}, {rate:,.0f} {self.task.items}/s")
        if figures[self.task.criterion] < self.best:
            self.best = figures[self.task.criterion]
            self.model.save_pretrained(
                self.out / f"best{checkpoint.SUFFIX}", step=self.step, figures=figures, training=self.options,
                command=this_command(),
            )  # fmt: skip
        self._save()
        self.accelerator.wait_for_everyone()

    def _is_kept(self) -> bool:
        """Whether the weights of this step are kept for good: so few of them are that a long run may keep them, too."""
        first = self.options.get("keep_from")
        if not first:
            return False
        times, rest = divmod(self.step, first)
        return self.step == self.options["steps"] or (not rest and times.bit_count() == 1)

    def _keep(self) -> None:
        path = self.out / KEPT / f"{self.step:08d}" / f"best{checkpoint.SUFFIX}"
        seen = {f"{self.task.items}_seen": float(self._items_a_step * self.step)}
        about = {"step": self.step, "figures": seen, "training": self.options, "command": this_command()}
        self.model.save_pretrained(path, **about)

    def _save(self) -> None:
        tensors = checkpoint.weights(self.model)
        for parameter, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"training.{parameter}.{name}": torch.as_tensor(value) for name, value in state.items()}
        about = {**self.model.about, "step": self.step, "best": self.best, "training": self.options}
        checkpoint.write(self.last, tensors, about)

    @property
    def _items_a_step(self) -> int:
        windows = self.options["batch"] * self.options["accumulate"] * self.accelerator.num_processes
        return windows * self.task.length

    def _interrupt(self, *_) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        tqdm.write("stopping after this step; once more to stop without saving")

    def _stopped(self) -> bool:
        """Whether any process was told to stop: all must leave the loop at the same step."""
        if self.accelerator.num_processes > 1:
            self._stop = bool(summed(torch.tensor(float(self._stop), device=self.accelerator.device)) > 0)
        return self._stop


def learning_rate(step: int, options: Mapping[str, Any]) -> float:
    """Learning rate of a step: linear over `warmup` steps up to `lr`, then half a cosine down to `lr_end`."""
    if step < options["warmup"]:
        return options["lr"] * (step + 1) / options["warmup"]
    done = (step - options["warmup"]) / max(1, options["steps"] - options["warmup"])
    return options["lr_end"] + (options["lr"] - options["lr_end"]) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def precision(name: str = "auto") -> str:
    """What `training.precision` asks for, bf16 or "no" for float32: "auto" is bf16 where the processor multiplies it
    fast. Raises `ConfigError` for another name."""
    if name == "auto":
        fast = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
        name = "bf16" if fast else "fp32"
    if name not in ("bf16", "fp32"):
        raise ConfigError(f"training.precision={name}; it is auto, bf16 or fp32")
    return "bf16" if name == "bf16" else "no"


def _load_optimizer(optimizer: torch.optim.Optimizer, kept: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in kept.items():
        if name.startswith("training."):
            parameter, field = name.removeprefix("training.").split(".", 1)
            state.setdefault(int(parameter), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
