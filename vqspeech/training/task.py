"""The interface of a task to the trainer: a model, its batches and its evaluation.

A task draws the initial weights of its model from `options["seed"]`, so that the configuration alone determines a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch

from vqspeech.data.batches import Batch
from vqspeech.schema import Count, Marker, NonNegative, Options, Positive, Range
from vqspeech.training.log import Log

CHANGEABLE = Marker("may differ when a training is resumed")
Seed = Annotated[int, Range(0, 1 << 63)]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of the group `training` that the trainer reads; tasks add theirs."""

    seed: Seed
    batch: Annotated[int, Range(1, 1 << 20)]
    steps: Annotated[Count, CHANGEABLE]
    minutes: Annotated[Positive | None, CHANGEABLE] = None
    accumulate: Annotated[int, Range(1, 1 << 20)]
    lr: NonNegative
    lr_end: NonNegative
    warmup: Annotated[int, Range(0, 1 << 40)]
    weight_decay: NonNegative
    clip: Positive
    precision: Annotated[Literal["auto", "fp32", "bf16"], CHANGEABLE]
    compile: Annotated[bool, CHANGEABLE]
    evaluate_every: Annotated[Count, CHANGEABLE]
    evaluate_batches: Count
    check_every: Annotated[Count, CHANGEABLE] = 10
    resident: Annotated[Literal["auto", "always", "never"], CHANGEABLE] = "auto"
    capture: Annotated[bool, CHANGEABLE] = True


class Batches(Protocol):
    """A source of batches."""

    def random(self, size: int, seed: int, step: int, process: int = 0, /) -> Batch:
        """Return `size` random items, which depend on (seed, step, process) alone, so that a run can be resumed."""
        ...


class Model(Protocol):
    """An `nn.Module` that the trainer can train.

    Its forward takes a batch and returns losses by name, whose sum is minimised; codes, int64 of any shape; and a mask
    of that shape, bool, of the codes that count.
    """

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the model is built from, besides the weights; a run is resumed only where it is the same."""
        ...

    def save_pretrained(self, path: str | Path, /, **metadata: Any) -> None:
        """Write the checkpoint, with `metadata` in its header."""
        ...


class Task(Protocol):
    """What `Trainer` trains. The best checkpoint has the smallest `criterion` of `evaluate`."""

    training: Options
    """The options that the group `training` of the configuration has: `TrainingOptions` and those of the task."""
    options: Mapping[str, Any]
    """The values of these options."""
    model: Any
    """A `Model`, and an `nn.Module`."""
    criterion: str
    """Name of the figure to minimise."""
    items: str
    """The unit of progress: samples, codes, images."""
    length: int
    """Units of one item of a batch."""

    @property
    def sources(self) -> Mapping[str, str]:
        """Hashes of the data by their role; a run is resumed only with the same."""
        ...

    @property
    def batches(self) -> Batches:
        """Batches to learn from."""
        ...

    @property
    def codes(self) -> int:
        """Number of codes; 0 for a model without codebook."""
        ...

    @property
    def network(self) -> torch.nn.Module:
        """The part of the model that `training.compile` compiles."""
        ...

    def initialize(self) -> None:
        """Set what the model takes from the data before the first step."""
        ...

    def evaluate(self, size: int, batches: int, /) -> dict[str, float]:
        """Return figures of `batches` times `size` held-out items."""
        ...

    def describe_figures(self, figures: Mapping[str, float], /) -> str:
        """Return the figures of an evaluation in words."""
        ...

    def describe_speed(self, rate: float, /) -> str:
        """Return a rate (units per second) in words."""
        ...

    def log_examples(self, log: Log, step: int, /) -> None:
        """Add sounds or pictures to the log at the steps that are due."""
        ...
