"""What the trainer asks of a task: a model, what it learns from, and what is measured of it.

A task draws its model's first weights from `options["seed"]`, so that a run is told by its configuration alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch

from vqspeech.data.batches import Batch
from vqspeech.schema import Count, Marker, NonNegative, Options, Positive, Range
from vqspeech.training.log import Log

CHANGEABLE = Marker("may be another one where a training goes on")
Seed = Annotated[int, Range(0, 1 << 63)]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of the group `training` that the trainer itself asks for; tasks add theirs."""

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
    """Where batches come from."""

    def random(self, size: int, seed: int, step: int, process: int = 0, /) -> Batch:
        """`size` items drawn at random: a function of (seed, step, process) alone, so that a run can be resumed."""
        ...


class Model(Protocol):
    """An `nn.Module`. Its forward takes a batch and gives losses by name, whose sum is minimised; codes, int64 of any
    shape; and a mask of that shape, bool: the codes that count."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """All it takes to build it again, beside the weights; a run goes on only where it is the same."""
        ...

    def save_pretrained(self, path: str | Path, /, **metadata: Any) -> None:
        """Writes its checkpoint, which holds `metadata` too."""
        ...


class Task(Protocol):
    """What `Trainer` trains. The best checkpoint has the least `criterion` of `held_out`."""

    training: Options
    """The options there are in the group `training` of the configuration: `TrainingOptions`, and its own."""
    options: Mapping[str, Any]
    """Those of this training."""
    model: Any
    """A `Model`, and an `nn.Module`."""
    criterion: str
    """Name of the figure that is to be small."""
    items: str
    """What is counted as seen: samples, codes, images."""
    length: int
    """How many of them are one of a batch."""

    @property
    def sources(self) -> Mapping[str, str]:
        """Hashes of what is learned from and measured on, by what it is; a run goes on only with the same."""
        ...

    @property
    def batches(self) -> Batches:
        """What is learned from."""
        ...

    @property
    def codes(self) -> int:
        """How many codes there are; 0 for a model without."""
        ...

    @property
    def network(self) -> torch.nn.Module:
        """The part that takes the time: what `training.compile` compiles."""
        ...

    def initialize(self) -> None:
        """Sets what is known before the first step."""
        ...

    def evaluate(self, size: int, batches: int, /) -> dict[str, float]:
        """Figures of `batches` times `size` held-out items."""
        ...

    def describe_figures(self, figures: Mapping[str, float], /) -> str:
        """The figures of an evaluation in words."""
        ...

    def describe_speed(self, rate: float, /) -> str:
        """A rate of items a second in words."""
        ...

    def log_examples(self, log: Log, step: int, /) -> None:
        """Lets the log have sounds or pictures, every now and then."""
        ...
