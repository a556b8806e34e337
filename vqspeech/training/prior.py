"""Training a prior on units."""

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
    """A units file, and who speaks in it, `voices`, speaker by utterance; empty where that is not told."""

    units: Units
    voices: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A hash of the utterances, their codes, and who speaks."""
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
    """The prior of `config`, windows of the units `train` to learn from, and what is measured of it on `dev`.

    A window has `length` codes. Raises `ConfigError` where `config` is of another kind of model, `UnitsError` where
    `dev` has other codes than `train`, `SpeakerError` where it has other speakers.
    """

    training, groups = Options(PriorTraining), LatentPrior.groups

    def __init__(self, config: Mapping[str, Any], train: SpokenUnits, dev: SpokenUnits):
        if "prior" not in config:
            raise ConfigError(f"a configuration of a model of speech; units train one of {', '.join(list_priors())}")
        voices, described = sorted(set(train.voices.values())), train.units.description
        super().__init__(config, lambda groups: LatentPrior(groups, voices, described), train.units)
        self.length = self.options["length"]
        self.sources = {"train": train.fingerprint, "dev": dev.fingerprint}
        self.batches, self.dev_batches = (
            self.model.windows(one.units, self.length, one.voices) for one in (train, dev)
        )

    def describe_speed(self, rate: float) -> str:
        """Codes a second, and how much faster than speech that is."""
        return f"{rate:,.0f} codes/s, {rate / self.model.rate:.0f}x real time"
