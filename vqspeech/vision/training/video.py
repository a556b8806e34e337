"""Training of a prior over video on the codes of episodes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
import torch

from vqspeech.conf.vision import list_video_priors
from vqspeech.errors import ConfigError, UnitsError
from vqspeech.schema import Count, Options, Range
from vqspeech.training.codes import CodesTask
from vqspeech.training.log import Log
from vqspeech.training.task import CHANGEABLE, TrainingOptions
from vqspeech.vision.data.clips import Clips
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.metrics.reports.pictures import encode_gif
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import describe_codes
from vqspeech.vision.models.video import VideoPrior

SHOWN = 2
"""Clips that are logged, each with its continuation."""


@dataclass(frozen=True, kw_only=True)
class VideoTraining(TrainingOptions):
    """Options of the group `training`."""

    length: Annotated[int, Range(1, 1 << 20)]
    given: Annotated[int, Range(0)]
    show_every: Annotated[Count, CHANGEABLE]

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where no frame of a clip would be left to predict."""
        given, length = options["given"], options["length"]
        if given >= length:
            raise ConfigError(f"{where}.given={given}; it is less than {where}.length={length}")


class VideoTask(CodesTask):
    """Task of training a prior over video.

    Args:
        config: The configuration.
        train: Codes of episodes to train on.
        dev: Codes of other episodes to evaluate on.
        decoder: The model the codes come from; with it, frames are logged.

    Raises:
        ConfigError: `config` describes something else.
        UnitsError: The codes of `dev`, or of the decoder, are others.
        ImageError: All episodes are shorter than a clip, or an action of `dev` is not in `train`.
    """

    training, groups = Options(VideoTraining), VideoPrior.groups

    def __init__(self, config: Mapping[str, Any], train: ImageCodes, dev: ImageCodes, decoder: CodeModel | None = None):
        if "video" not in config:
            raise ConfigError(
                f"the configuration is of no prior over video; use one of {', '.join(list_video_priors())}"
            )
        super().__init__(config, lambda groups: VideoPrior(groups, train.actions, describe_codes(train)), train, dev)
        frames, self.given = self.options["length"], self.options["given"]
        self.decoder = decoder
        if decoder is not None and decoder.fingerprint() != train.sha256:
            raise UnitsError(f"{train.path}: the codes are not those of the model to show them by; encode again")
        self.batches, self.dev_batches = (self.model.clips(codes, frames) for codes in (train, dev))
        self.length = frames * math.prod(self.model.shape)

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Return the bits per code of the frames after those `given`, of `batches` times `size` clips.

        Returns:
            `bits` of held-out clips; `train_bits` of as many training clips, also without dropout; `gap`, their
            difference, which is memorised; `action_gap`, the bits lost when conditioned on the actions of other clips:
            0 for a prior that ignores actions.
        """
        bits, train_bits, misled = (
            self._clip_bits(clips, size, batches, roll)
            for clips, roll in ((self.dev_batches, 0), (self.batches, 0), (self.dev_batches, 1))
        )
        return {"bits": bits, "train_bits": train_bits, "gap": bits - train_bits, "action_gap": misled - bits}

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Describe the figures of an evaluation."""
        return (
            f"held out {figures['bits']:.3f} bits a code, {figures['gap']:+.3f} above training data, "
            f"{figures['action_gap']:+.3f} with other actions"
        )

    def describe_speed(self, rate: float) -> str:
        """Describe the speed, in frames per second."""
        return f"{rate / math.prod(self.model.shape):,.1f} frames/s"

    def log_examples(self, log: Log, step: int) -> None:
        """Log generated and reconstructed frames, every `show_every` steps."""
        if self.decoder is None or step % self.options["show_every"]:
            return
        self.model.eval()
        batch = self.dev_batches.even(SHOWN)
        imagined = self.model.sample(batch.codes[:, : self.given], batch.actions[:, :-1], progress=False)
        both = [torch.cat([batch.codes[:, : self.given], imagined], 1), batch.codes]
        videos = [decode_frames(self.decoder, one) for codes in both for one in codes]
        log.add_video(step, "imagined, then reconstructed", encode_gif(videos))
        self.model.train()

    def _clip_bits(self, clips: Clips, size: int, batches: int, roll: int) -> float:
        training = self.model.training
        self.model.eval()
        batch, total = clips.even(size * batches), 0.0
        actions = batch.actions.roll(roll * max(1, size * batches // 2), 0)  # of a clip far away
        for part in (slice(i * size, (i + 1) * size) for i in range(batches)):
            one = batch.each(itemgetter(part))
            total += float(self.model.bits(one.codes, actions[part])[:, self.given :].mean()) / batches
        self.model.train(training)
        return total


def decode_frames(model: CodeModel, codes: torch.Tensor) -> np.ndarray:
    """Decode codes `(time, height, width)` to frames uint8 `(time, channels, height, width)`."""
    return model.decode(codes).cpu().numpy()
