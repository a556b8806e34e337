"""The training loop of all tasks: models of speech, priors over codes, models of images.

Every random draw of a step depends on (seed, step, process) alone, so a resumed run has exactly the losses of an
uninterrupted one, and a checkpoint needs only the weights and the state of the optimiser. With a budget of
`training.minutes`, shared by all parts of a resumed run, the learning rate follows the time as well, and the run ends
with the time or the steps, whichever is first. Losses stay on the device and are read every `training.check_every`
steps.
"""

import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import Tensor

from vqspeech.errors import ConfigError, DivergenceError, is_out_of_memory
from vqspeech.extras import require_training_packages
from vqspeech.locks import lock_folder
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.metrics.reports.curves import CURVES
from vqspeech.metrics.reports.scores import this_command
from vqspeech.models import checkpoint
from vqspeech.models.quantize.processes import broadcast_first, sum_over_processes
from vqspeech.progress import Work, report, warn
from vqspeech.training.batches import BatchQueue, choose_batches
from vqspeech.training.capture import AdamW
from vqspeech.training.log import Log
from vqspeech.training.optimizer import (
    export_optimizer_state,
    group_parameters,
    learning_rate,
    load_optimizer_state,
    resolve_precision,
)
from vqspeech.training.state import describe_run, list_changes, read_state, share_state
from vqspeech.training.step import TrainingStep
from vqspeech.training.task import Batch, Batches, Task

KEPT_FOLDER = "kept"
"""Folder of the models that `training.keep_from` keeps, each in a folder of its own."""
INTERRUPTED = 130
"""Exit status of a training that a signal stopped, after it saved."""


@dataclass
class TrainingResult:
    """Result of a training.

    Attributes:
        step: The last step.
        interrupted: Whether a signal ended it.
        losses: Training loss of each step of this run.
    """

    step: int
    interrupted: bool
    losses: list[float]

    def exit_status(self) -> int:
        """Return the exit status: 0, or 130 after a signal, with a message."""
        if self.interrupted:
            report(f"stopped at step {self.step}, saved; the same command resumes from there")
        return INTERRUPTED if self.interrupted else 0


def train(make: Callable[[], Task], out: str | Path, restart: bool = False) -> TrainingResult:
    """Train a task while the folder is locked against other processes.

    Args:
        make: Builds the task, once the folder is locked.
        out: Folder of checkpoints and logs.
        restart: Remove what an earlier training left in `out`, and train from the start.

    Raises:
        MissingExtra: The extra `train` is not installed.
        OutputError: Another process trains in `out`, or it cannot be written to.
    """
    require_training_packages()
    with lock_folder(out) if int(os.environ.get("RANK", "0")) == 0 else nullcontext():
        return Trainer(make(), out, restart).train()


class Trainer:
    """Trainer of a task, which resumes from `last.safetensors` in its folder where there is one.

    Args:
        task: The model, its data and its evaluation.
        out: Folder of checkpoints and logs.
        restart: Remove what an earlier training left in `out`, and train from the start.

    Raises:
        ConfigError: The checkpoint is of another model, other data or other settings, or past the last step.
        CheckpointError: The checkpoint is damaged.
    """

    def __init__(self, task: Task, out: str | Path, restart: bool = False):
        self.task, self.options, self.out = task, task.options, Path(out)
        AcceleratorState._reset_state()  # noqa: SLF001 -- a process may train twice, each time in its own precision
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision=resolve_precision(self.options["precision"]),
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        self.main, model = self.accelerator.is_main_process, task.model
        self.run = describe_run(task, self.accelerator.num_processes, self.precision)
        self.best_path, self.last = (self.out / f"{name}{checkpoint.SUFFIX}" for name in ("best", "last"))
        if restart:
            self._remove_earlier()
        self.step, self.seen, self.best = 0, 0.0, math.inf
        self.seconds, self._sat_down = 0.0, time.perf_counter()
        saved = share_state(lambda: read_state(self.last, self.run, task) if self.last.is_file() else None)
        if saved:
            weights = {name: one for name, one in saved.tensors.items() if name.startswith("model.")}
            model.load_state_dict({name.removeprefix("model."): one for name, one in weights.items()})
            self.step, self.best = saved.about["step"], saved.about["best"]
            self.seen = saved.about.get("seen", float(self._items_a_step * self.step))
            self.seconds = saved.about.get("seconds", 0.0)
        else:
            task.initialize()
        device = self.accelerator.device
        model.to(device)
        optimizer = AdamW(group_parameters(model, self.options["weight_decay"]), device, (0.9, 0.99))
        if saved:
            load_optimizer_state(model, optimizer, saved.tensors)
        self.changes = list_changes(saved.about, self.run) if saved else []
        self.good = self.step if saved else None
        if self.options["compile"]:
            task.network.compile()
        self.model, self._set_rate = model, optimizer.set_rate
        self.wrapped, self.optimizer = self.accelerator.prepare(model, optimizer)
        self._stop = False
        self._losses: list[float] = []
        self._unread, self._check_every = 0, self.options.get("check_every", 10)

    @property
    def precision(self) -> str:
        """Precision of the computation: fp32 or bf16."""
        return "bf16" if self.accelerator.mixed_precision == "bf16" else "fp32"

    def train(self) -> TrainingResult:
        """Train to the last step, or until SIGINT, SIGTERM or SIGHUP, which save first.

        Raises:
            DivergenceError: A loss, gradient or weight is not finite; what was saved before stays.
            ConfigError: Memory is too small for a step.
        """
        options, self._losses, self._unread = self.options, [], 0
        log = Log(self.out) if self.main else None
        handlers = self._listen()
        device = self.accelerator.device
        counts = torch.zeros(self.task.codes, device=device)
        self._read_later = torch.zeros(self._check_every, options["accumulate"] + 1, device=device)
        self._take_step = TrainingStep(self.accelerator, self.model, self.wrapped, self.optimizer, options, counts)
        source = choose_batches(self.task.batches, options.get("resident", "auto"), device)
        self._queue = BatchQueue(partial(self._draw, source), self.step * options["accumulate"], device)
        begun, begun_at = time.perf_counter(), self.step
        self._sat_down = begun - self.seconds
        self.wrapped.train()
        finished = self._finished()
        if self.main:
            learned = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
            report(
                f"{self.out}: {learned:,} trainable parameters, from step {self.step} of {options['steps']}"
                f"{self._budget} on {self.accelerator.device} in {self.precision}, "
                f"{self.accelerator.num_processes} process(es); tensorboard --logdir {self.out}"
            )
            for change in self.changes:
                warn(f"{self.out}: {change}: losses may differ in their last digits")
            if finished:
                report(f"{self.out}: step {self.step} was reached before; nothing to do")
        try:
            with Work("train", options["steps"], "step", self.step, shown=self.main) as work:
                while not finished and not self._stopped():
                    try:
                        self._one_step(counts)
                        work.update()
                        finished = self._finished()
                        evaluates = self.step % options["evaluate_every"] == 0 or finished
                        keeps = self._is_kept(finished)
                        if evaluates or keeps or self._unread == self._check_every:
                            self._check()
                            rate = self._items_a_step * (self.step - begun_at) / (time.perf_counter() - begun)
                            work.note = f"loss {self._losses[-1]:.3f}, {self.task.describe_speed(rate)}"
                            if evaluates:
                                self._evaluate(log, self._mean_loss(), sum_over_processes(counts), rate)
                                counts.zero_()
                            if keeps and self.main:
                                self._keep()
                        if log:
                            self.task.log_examples(log, self.step)
                    except (MemoryError, RuntimeError, DivergenceError) as error:
                        explained = self._explain(error)
                        if explained is error:
                            raise
                        raise explained from error
            if self._stop and self.main:
                self._check()
                self._save()
        finally:
            self._queue.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self.accelerator.wait_for_everyone()
        return TrainingResult(self.step, self._stop, self._losses)

    def _draw(self, source: Batches, number: int) -> Batch:
        """Return the batch of a draw; an update has as many draws as parts."""
        return source.random(self.options["batch"], self.options["seed"], number, self.accelerator.process_index)

    def _one_step(self, counts: Tensor) -> None:
        """Take a step; its loss is read later."""
        options, process = self.options, self.accelerator.process_index
        self._set_rate(learning_rate(self.step, options, self.seconds))
        draws = range(self.step * options["accumulate"], (self.step + 1) * options["accumulate"])
        # Each draw of each process has a seed of its own: dropout differs between processes and survives a resume.
        seeds = [hash((options["seed"], draw, process)) & 0x7FFFFFFF for draw in draws]
        self._take_step([self._queue.take() for _ in draws], seeds)
        self._read_later[self._unread].copy_(self._take_step.figures)
        self._unread += 1
        self.step += 1
        self.seen += self._items_a_step

    def _check(self) -> None:
        """Read the losses and gradient norms of the steps since the last check.

        The gradient is the same in all processes, so that all of them stop at the same step.

        Raises:
            DivergenceError: One is not finite.
        """
        rows, first = self._read_later[: self._unread].tolist(), self.step - self._unread
        self._unread = 0
        for step, (*parts, norm) in enumerate(rows, first):
            if not all(math.isfinite(value) for value in (*parts, norm)):
                raise self._diverged("the loss, or its gradient, is not finite", step)
            total = 0.0
            for loss in parts:
                total += loss / len(parts)
            self._losses.append(total)

    def _explain(self, error: Exception) -> Exception:
        """Return the error to raise for one of a step: the earliest divergence, a lack of memory, or itself."""
        if isinstance(error, DivergenceError):
            try:
                self._check()
            except DivergenceError as earlier:
                return earlier
            return error if str(error).startswith(f"{self.out}: ") else self._diverged(str(error))
        if not is_out_of_memory(error):
            return error
        return ConfigError(
            f"{self.out}: out of memory at step {self.step}; {self._kept}; halve training.batch and "
            "double training.accumulate, so that an update sees as many items"
        )

    def _evaluate(self, log: Log | None, loss: float, counts: Tensor, rate: float) -> None:
        if log is None:
            self.accelerator.wait_for_everyone()
            return
        with self.accelerator.autocast():
            figures = self.task.evaluate(self.options["batch"], self.options["evaluate_batches"])
        if not math.isfinite(figures[self.task.criterion]):
            raise self._diverged("the held-out loss is not finite")
        tensors = self._tensors()
        seen = counts.cpu().numpy()
        figures |= {
            "train_loss": loss,
            "train_perplexity": perplexity(seen),
            "train_used": float(count_used(seen)),
            "lr": learning_rate(self.step, self.options, self.seconds),
            f"{self.task.items}_per_second": rate,
            f"{self.task.items}_seen": self.seen,
        }
        log.add_scalars(self.step, figures)
        report(f"step {self.step}: {self.task.describe_figures(figures)}, {rate:,.0f} {self.task.items}/s")
        if figures[self.task.criterion] < self.best:
            self.best = figures[self.task.criterion]
            self.model.save_pretrained(
                self.best_path, step=self.step, figures=figures, training=self.options, command=this_command()
            )
        self._save(tensors)
        self.accelerator.wait_for_everyone()

    def _mean_loss(self) -> float:
        """Return the loss of the last step, over the batches of all processes."""
        loss = torch.tensor(self._losses[-1], dtype=torch.float64, device=self.accelerator.device)
        return float(sum_over_processes(loss)) / self.accelerator.num_processes

    def _finished(self) -> bool:
        """Return whether the run is over, by steps or by the clock of the first process."""
        seconds, last = time.perf_counter() - self._sat_down, self.step >= self.options["steps"]
        if not self.options.get("minutes"):
            self.seconds = seconds
            return last
        if self.accelerator.num_processes == 1:
            self.seconds = seconds
        elif self._meets():
            clock = torch.tensor(seconds, dtype=torch.float64, device=self.accelerator.device)
            self.seconds = float(broadcast_first(clock))
        return last or self.seconds >= 60 * self.options["minutes"]

    def _meets(self) -> bool:
        """Return whether processes agree after this step on whether to continue; after every step they would wait."""
        return self._unread in (0, self._check_every) or self.step % self.options["evaluate_every"] == 0

    @property
    def _budget(self) -> str:
        minutes = self.options.get("minutes")
        return f", {self.seconds / 60:.1f} of {minutes:g} minutes are spent," if minutes else ""

    def _is_kept(self, finished: bool) -> bool:
        """Return whether the weights of this step are kept: at every doubling of the steps, and at the end."""
        first = self.options.get("keep_from")
        if not first:
            return False
        times, rest = divmod(self.step, first)
        return finished or (not rest and times.bit_count() == 1)

    def _keep(self) -> None:
        path = self.out / KEPT_FOLDER / f"{self.step:08d}" / f"best{checkpoint.SUFFIX}"
        seen = {f"{self.task.items}_seen": self.seen}
        about = {"step": self.step, "figures": seen, "training": self.options, "command": this_command()}
        self.model.save_pretrained(path, **about)

    def _save(self, tensors: Mapping[str, Tensor] | None = None) -> None:
        about = self.run | {"step": self.step, "seen": self.seen, "seconds": self.seconds, "best": self.best}
        checkpoint.write(self.last, tensors or self._tensors(), about)
        self.good = self.step

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a training resumes from. Raise `DivergenceError` where one is not finite."""
        tensors = checkpoint.collect_weights(self.model) | export_optimizer_state(self.model, self.optimizer)
        wrong = checkpoint.find_not_finite(tensors)
        if wrong:
            raise self._diverged(f"{checkpoint.describe_names(wrong)} not finite")
        return tensors

    def _diverged(self, what: str, step: int | None = None) -> DivergenceError:
        return DivergenceError(
            f"{self.out}: at step {self.step if step is None else step} {what}; {self._kept}; lower training.lr, or "
            "train with training.precision=fp32, to another --out or with --restart"
        )

    @property
    def _kept(self) -> str:
        return "nothing was saved" if self.good is None else f"{self.last} is of step {self.good}, and stays"

    def _remove_earlier(self) -> None:
        if self.main:
            for path in (self.last, self.best_path, self.out / CURVES):
                path.unlink(missing_ok=True)
            for folder in (self.out / KEPT_FOLDER, self.out / "tensorboard"):
                shutil.rmtree(folder, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    @property
    def _items_a_step(self) -> int:
        windows = self.options["batch"] * self.options["accumulate"] * self.accelerator.num_processes
        return windows * self.task.length

    def _listen(self) -> dict[int, Any]:
        """Let signals that end a process end the training, except ignored ones; return the handlers before."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        return {number: signal.signal(number, self._interrupt) for number in heard}

    def _interrupt(self, *_: object) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        report("stopping after this step; interrupt again to stop without saving")

    def _stopped(self) -> bool:
        """Return whether any process was interrupted: all must leave the loop at the same step."""
        if self.accelerator.num_processes > 1:
            if not self._meets():
                return False
            self._stop = bool(sum_over_processes(torch.tensor(float(self._stop), device=self.accelerator.device)) > 0)
        return self._stop
