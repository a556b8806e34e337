"""The base of tasks that train a model of codes: priors over speech, images and video, and the second VQ-VAE."""

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
    """A task that trains a model of codes. Subclasses set `batches`, `dev_batches` and `length`.

    Args:
        config: The configuration; its group `training` holds the options, the others describe the model.
        make_model: Builds the model of these other groups.
        train: The codes to learn from, with a `fingerprint`; the model is fitted to them before the first step.
        dev: The held-out codes, likewise.

    Raises:
        ConfigError: The configuration has an unknown, missing or invalid option.
    """

    criterion, items = "bits", "codes"
    batches: Any
    """Batches to learn from, with methods `random` and `even`."""
    dev_batches: Any
    """Held-out batches, likewise."""
    length: int
    """Codes of one item of a batch."""
    training = Options(TrainingOptions)
    groups: Mapping[str, Options | Kinds]
    """Options of the groups that describe the model."""

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Check a whole configuration and return it.

        Raises:
            ConfigError: It has an unknown, missing or invalid option.
        """
        return check_groups(config, {**cls.groups, "training": cls.training}, exclusive=True)

    def __init__(self, config: Mapping[str, Any], make_model: Callable[[dict[str, Any]], Any], train: Any, dev: Any):
        config = self.check_config(config)
        self.options, self.train = config["training"], train
        self.sources = {"train": train.fingerprint, "dev": dev.fingerprint}
        torch.manual_seed(self.options["seed"])
        self.model = make_model({name: group for name, group in config.items() if name != "training"})

    @property
    def codes(self) -> int:
        """Number of codes of a codebook."""
        return self.model.size

    @property
    def network(self) -> nn.Module:
        """The part of the model that `training.compile` compiles."""
        return self.model.network

    def initialize(self) -> None:
        """Fit what the model takes from the codes before the first step."""
        self.model.fit(self.train)

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Measure the model without dropout on at most `batches` times `size` held-out items.

        Returns:
            {"bits": of a held-out code; "train_bits": of a code of as many training items; "gap": their difference,
            which grows with overfitting}.
        """
        bits, train_bits = (self._bits(some.even(size * batches), size) for some in (self.dev_batches, self.batches))
        return {"bits": bits, "train_bits": train_bits, "gap": bits - train_bits}

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Return the figures of an evaluation in words."""
        return f"held out {figures['bits']:.3f} bits a code, {figures['gap']:+.3f} above training data"

    def log_examples(self, log: Log, step: int) -> None:
        """Add nothing to the log: codes have neither sound nor picture."""

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
