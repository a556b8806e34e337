"""Training a prior on units."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from vqspeech.conf import priors
from vqspeech.data.code_windows import CodeWindows
from vqspeech.data.units import Units
from vqspeech.errors import ConfigError
from vqspeech.models.prior import LatentPrior
from vqspeech.training.log import Log


@dataclass(frozen=True)
class SpokenUnits:
    """A units file, and who speaks in it, `voices`, speaker by utterance; empty where that is not told."""

    units: Units
    voices: Mapping[str, str] = field(default_factory=dict)


class PriorTask:
    """The prior of `config`, windows of the units `train` to learn from, and what is measured of it on `dev`.

    A window has `length` codes. Raises `ConfigError` where `config` is of another kind of model, `UnitsError` where
    `dev` has other codes than `train`, `SpeakerError` where it has other speakers.
    """

    criterion, items = "bits", "codes"

    def __init__(self, config: Mapping[str, Any], train: SpokenUnits, dev: SpokenUnits):
        if "prior" not in config:
            raise ConfigError(f"a configuration of a model of speech; units train one of {', '.join(priors())}")
        self.options, self.train = config["training"], train
        groups = {name: group for name, group in config.items() if name != "training"}
        torch.manual_seed(self.options["seed"])
        self.model = LatentPrior(groups, sorted(set(train.voices.values())), train.units.described)
        self.length = int(self.options["length"])
        self.batches, self.held = (self.model.windows(one.units, self.length, one.voices) for one in (train, dev))

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return self.model.size

    @property
    def network(self) -> nn.Module:
        """The part that takes the time."""
        return self.model.network

    def begin(self) -> None:
        """Sets what is known before the first step."""
        self.model.fit(self.train.units)

    def held_out(self, size: int, batches: int) -> dict[str, float]:
        """`bits` a code of `batches` times `size` held-out windows, `train_bits` of as many windows that are learned
        from, in the same way (without dropout), and the `gap` between: what is known by heart."""
        bits, train_bits = (_bits(self.model, windows, size, batches) for windows in (self.held, self.batches))
        return {"bits": bits, "train_bits": train_bits, "gap": bits - train_bits}

    def summary(self, figures: Mapping[str, float]) -> str:
        """The figures of an evaluation in words."""
        return f"held out {figures['bits']:.3f} bits a code, {figures['gap']:+.3f} beside training data"

    def speed(self, rate: float) -> str:
        """Codes a second, and how much faster than speech that is."""
        return f"{rate:,.0f} codes/s, {rate / self.model.rate:.0f}x real time"

    def show(self, log: Log, step: int) -> None:
        """Codes make no sound."""


@torch.no_grad()
def _bits(model: LatentPrior, windows: CodeWindows, size: int, batches: int) -> float:
    training = model.training
    model.eval()
    batch, total, count = windows.even(size * batches), 0.0, 0
    for part in (slice(i * size, (i + 1) * size) for i in range(batches)):
        losses, _, mask = model(batch.each(itemgetter(part)).to(model.device))
        total, count = total + float(losses["nll"]) * int(mask.sum()), count + int(mask.sum())
    model.train(training)
    return total / count / math.log(2)
