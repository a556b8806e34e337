"""Training for a given time: the loop, its lines of progress, and resumption from the file that it writes."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import checkpoint
from vqspeech.progress import report

STEPS_AHEAD = 25
"""Steps that are given to a GPU before the clock is read."""


@dataclass(frozen=True)
class TimedOptions:
    """How a network is trained in a given time.

    Attributes:
        batch: Windows of a step.
        seconds: Length of a window (s).
        rate: The highest learning rate.
        seed: Of weights and draws.
        log_every: Seconds between two lines of progress.
        save_every: Seconds between two checkpoints.
    """

    batch: int = 8
    seconds: float = 5.12
    rate: float = 2e-3
    seed: int = 0
    log_every: float = 30.0
    save_every: float = 60.0


Options = TypeVar("Options", bound=TimedOptions)


class TimedTraining(ABC, Generic[Options]):
    """Training with a budget of time, not of steps.

    Attributes:
        step: Steps taken, those before a resumption included.
        done: Share of the time that is over; the learning rate follows it.
    """

    options: Options
    device: torch.device
    step: int = 0
    done: float = 0.0

    @abstractmethod
    def begin(self) -> Callable[[int], None]:
        """Prepare for steps; return the function that takes one, given how many this run has taken."""

    @abstractmethod
    def describe(self, speed: float) -> str:
        """Return a line of progress; `speed` in steps a second."""

    @property
    @abstractmethod
    def kind(self) -> dict[str, Any]:
        """Description that a file must have for training to resume from it."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the network, with what a resumed training needs."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `save` wrote."""

    def run(self, minutes: float, out: str | Path, log: Callable[[str], None] = report) -> None:
        """Train for `minutes`, and write the network to `out` at intervals and at the end.

        Where `out` exists, training resumes from its weights, step and share of the time.

        Args:
            minutes: Length of this training.
            out: The file.
            log: Receives lines of progress.

        Raises:
            CheckpointError: `out` is of another configuration.
            ConfigError: There is no time.
        """
        if minutes <= 0:  # of a budget that reading the data has spent
            raise ConfigError(f"{out}: {minutes:.1f} minutes are left to train; give more")
        out = Path(out)
        if out.is_file():
            self.load(out)
            log(f"resuming from step {self.step} of {out}")
        began_with, warm = self.done, self.step
        take_step = self.begin()
        begin = logged = saved = time.perf_counter()
        while (share := (time.perf_counter() - begin) / (60 * minutes)) < 1:
            self.done = began_with + (1 - began_with) * share
            take_step(self.step - warm)
            self.step += 1
            if self.device.type == "cuda":
                if self.step % STEPS_AHEAD:
                    continue
                torch.cuda.synchronize()
            now = time.perf_counter()
            if now - logged > self.options.log_every:
                logged = now
                log(self.describe((self.step - warm) / (now - begin)))
            if now - saved > self.options.save_every:
                saved = now
                self.save(out)
        self.done = 1.0
        log(self.describe((self.step - warm) / (time.perf_counter() - begin)))
        self.save(out)

    def load(self, path: Path) -> None:
        """Load weights, step and share of the time from a file of `save`.

        Raises:
            CheckpointError: The file is of other data, of another part or configuration.
        """
        tensors, about = checkpoint.read(path)
        if any(about.get(name) != value for name, value in self.kind.items()):
            raise CheckpointError(f"{path} is of other data, of another part or configuration; train to another --out")
        self.restore(tensors)
        self.step, self.done = about["step"], about["done"]
