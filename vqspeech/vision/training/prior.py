"""Training a prior on codes of images."""

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from vqspeech.conf.vision import priors
from vqspeech.errors import ConfigError
from vqspeech.training.log import Log
from vqspeech.vision.data.code_batches import CodeBatches
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import ImagePrior, described


class ImagePriorTask:
    """The prior of `config`, the codes `train` to learn from, and what is measured of it on `dev`.

    Raises `ConfigError` where `config` is of another kind of model, `UnitsError` where `dev` has other codes than
    `train`, `ImageError` where it has other classes.
    """

    criterion, items = "bits", "codes"

    def __init__(self, config: Mapping[str, Any], train: ImageCodes, dev: ImageCodes):
        if "prior" not in config:
            raise ConfigError(f"a configuration of a model of images; codes train one of {', '.join(priors())}")
        self.options, self.train = config["training"], train
        groups = {name: group for name, group in config.items() if name != "training"}
        torch.manual_seed(self.options["seed"])
        self.model = ImagePrior(groups, train.classes, described(train))
        self.length = math.prod(self.model.network.shape)
        self.batches, self.held = self.model.batches(train), self.model.batches(dev)

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
        self.model.fit(self.train)

    def held_out(self, size: int, batches: int) -> dict[str, float]:
        """`bits` a code of at most `batches` times `size` held-out images, `train_bits` of as many that are learned
        from, in the same way (without dropout), and the `gap` between: what is known by heart."""
        bits, train_bits = (_bits(self.model, some, size, batches) for some in (self.held, self.batches))
        return {"bits": bits, "train_bits": train_bits, "gap": bits - train_bits}

    def summary(self, figures: Mapping[str, float]) -> str:
        """The figures of an evaluation in words."""
        return f"held out {figures['bits']:.3f} bits a code, {figures['gap']:+.3f} beside training data"

    def speed(self, rate: float) -> str:
        """Images and codes a second."""
        return f"{rate / self.length:,.1f} images/s, {rate:,.0f} codes/s"

    def show(self, log: Log, step: int) -> None:
        """Codes are no picture."""


@torch.no_grad()
def _bits(model: ImagePrior, some: CodeBatches, size: int, batches: int) -> float:
    training = model.training
    model.eval()
    batch, total = some.even(size * batches), 0.0
    for start in range(0, len(batch.codes), size):
        part = batch.each(itemgetter(slice(start, start + size))).to(model.device)
        total += float(model(part)[0]["nll"]) * len(part.codes)
    model.train(training)
    return total / len(batch.codes) / math.log(2)
