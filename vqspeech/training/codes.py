"""What training on codes has in common, be they codes of speech or of images, and the model a prior or not."""

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from vqspeech.schema import Kinds, Options, check_groups
from vqspeech.training.log import Log
from vqspeech.training.task import TrainingOptions


class CodesTask:
    """A model of codes that `made` builds of the groups of `config` beside `training`, and that is fitted to the codes
    `train` before the first step. Those who build on it set the rest of what the trainer asks for: `batches`, `held`,
    and `length`, how many codes are one item of a batch."""

    criterion, items = "bits", "codes"
    batches: Any
    """What is learned from: `random` and `even` batches."""
    dev_batches: Any
    """What is held out."""
    length: int
    sources: Mapping[str, str]
    training = Options(TrainingOptions)
    groups: Mapping[str, Options | Kinds]
    """What is known of the groups that describe the model."""

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Return the whole configuration, checked. Raise `ConfigError` where it describes no such training."""
        return check_groups(config, {**cls.groups, "training": cls.training}, alone=True)

    def __init__(self, config: Mapping[str, Any], made: Callable[[dict[str, Any]], Any], train: Any):
        config = self.check_config(config)
        self.options, self.train = config["training"], train
        torch.manual_seed(self.options["seed"])
        self.model = made({name: group for name, group in config.items() if name != "training"})

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return self.model.size

    @property
    def network(self) -> nn.Module:
        """The part that takes the time."""
        return self.model.network

    def initialize(self) -> None:
        """Sets what is known before the first step."""
        self.model.fit(self.train)

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """`bits` a code of at most `batches` times `size` held-out items, `train_bits` of as many that are learned
        from, in the same way (without dropout), and the `gap` between: what is known by heart."""
        bits, train_bits = (self._bits(some.even(size * batches), size) for some in (self.dev_batches, self.batches))
        return {"bits": bits, "train_bits": train_bits, "gap": bits - train_bits}

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """The figures of an evaluation in words."""
        return f"held out {figures['bits']:.3f} bits a code, {figures['gap']:+.3f} beside training data"

    def log_examples(self, log: Log, step: int) -> None:
        """Codes make no sound, and are no picture."""

    @torch.no_grad()
    def _bits(self, batch: Any, size: int) -> float:
        training = self.model.training
        self.model.eval()
        total, count = 0.0, 0
        for start in range(0, len(batch.codes), size):
            part = batch.each(itemgetter(slice(start, start + size))).to(self.model.device)
            losses, _, mask = self.model(part)
            total, count = total + float(losses["nll"]) * int(mask.sum()), count + int(mask.sum())
        self.model.train(training)
        return total / count / math.log(2)
