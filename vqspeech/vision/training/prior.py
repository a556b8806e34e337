"""Training of a prior over codes of images."""

import math
from collections.abc import Mapping
from typing import Any

from vqspeech.conf.vision import list_priors
from vqspeech.errors import ConfigError
from vqspeech.training.codes import CodesTask
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import ImagePrior, describe_codes


class ImagePriorTask(CodesTask):
    """Task of training a prior over codes of images.

    Args:
        config: The configuration.
        train: Codes to train on.
        dev: Codes to evaluate on.

    Raises:
        ConfigError: `config` describes another kind of model.
        UnitsError: `dev` has other codes than `train`.
        ImageError: `dev` has other classes.
    """

    groups = ImagePrior.groups

    def __init__(self, config: Mapping[str, Any], train: ImageCodes, dev: ImageCodes):
        if "prior" not in config:
            raise ConfigError(f"a configuration of a model of images; codes train one of {', '.join(list_priors())}")
        super().__init__(config, lambda groups: ImagePrior(groups, train.classes, describe_codes(train)), train, dev)
        self.length = math.prod(self.model.network.shape)
        self.batches, self.dev_batches = self.model.batches(train), self.model.batches(dev)

    def describe_speed(self, rate: float) -> str:
        """Describe the speed, in images and codes per second."""
        return f"{rate / self.length:,.1f} images/s, {rate:,.0f} codes/s"
