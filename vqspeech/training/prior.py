"""Training of a prior over the units of speech."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from vqspeech.conf import list_priors
from vqspeech.data.units import Units
from vqspeech.errors import ConfigError
from vqspeech.models.prior import LatentPrior
from vqspeech.schema import Options, Range
from vqspeech.training.codes import CodesTask
from vqspeech.training.task import TrainingOptions


@dataclass(frozen=True)
class SpokenUnits:
    """A units file, and the speaker of each utterance, `voices`; empty where the speakers are not known."""

    units: Units
    voices: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of the utterances, their codes and their speakers."""
        digest = hashlib.sha256()
        for name, codes in self.units.codes.items():
            digest.update(f"{name}\t{self.voices.get(name, '')}\t{len(codes)}\n".encode())
            digest.update(np.ascontiguousarray(codes, np.int64).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class PriorTraining(TrainingOptions):
    """Options of the group `training`."""

    length: Annotated[int, Range(1, 1 << 24)]


class PriorTask(CodesTask):
    """The task of training a prior on windows of units.

    Args:
        config: Configuration of the prior and its training.
        train: The units to learn from.
        dev: The held-out units.

    Raises:
        ConfigError: The configuration is of another kind of model.
        UnitsError: The units of `dev` are of another codebook than those of `train`.
        SpeakerError: `dev` has a speaker that `train` lacks.
    """

    training, groups = Options(PriorTraining), LatentPrior.groups

    def __init__(self, config: Mapping[str, Any], train: SpokenUnits, dev: SpokenUnits):
        if "prior" not in config:
            raise ConfigError(f"a configuration of a model of speech; units train one of {', '.join(list_priors())}")
        voices, described = sorted(set(train.voices.values())), train.units.description
        super().__init__(config, lambda groups: LatentPrior(groups, voices, described), train, dev)
        self.length = self.options["length"]
        self.batches, self.dev_batches = (
            self.model.windows(one.units, self.length, one.voices) for one in (train, dev)
        )

    def initialize(self) -> None:
        """Fit what the prior takes from the units before the first step."""
        self.model.fit(self.train.units)

    def describe_speed(self, rate: float) -> str:
        """Return codes per second, and how much faster than real time that is."""
        return f"{rate:,.0f} codes/s, {rate / self.model.rate:.0f}x real time"
