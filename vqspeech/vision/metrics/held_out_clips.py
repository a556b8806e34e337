"""Held-out clips of frames, and what a prior over video makes of them: what all tables of video are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech.errors import ImageError
from vqspeech.vision.data.clips import ClipBatch
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.metrics.video import HORIZONS
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.video import VideoPrior


class Section(NamedTuple):
    """A table of scores, and notes on how it was measured."""

    name: str
    rows: Sequence[Mapping]
    notes: Sequence[str]


@dataclass(frozen=True)
class HeldOutClips:
    """Clips of `given` and more frames: their place in the set of `images` (`starts`), their episodes (`groups`),
    their codes, as `model` made them, and actions; `train` are the codes that `prior` learned from. All draws come from
    `seed`.
    """

    prior: VideoPrior
    model: CodeModel
    images: ImageSet
    train: ImageCodes
    clips: ClipBatch
    starts: np.ndarray
    groups: list[str]
    given: int
    seed: int

    @property
    def frames(self) -> int:
        """Frames after the given ones."""
        return self.clips.codes.shape[1] - self.given

    @property
    def horizons(self) -> list[int]:
        """Those of `HORIZONS` that there are."""
        return [horizon for horizon in HORIZONS if horizon <= self.frames]

    @property
    def notes(self) -> list[str]:
        """What is told below every table."""
        parameters = sum(one.numel() for one in self.prior.parameters())
        return [
            (
                f"{len(self.groups)} clips of {self.images.path}, {len(set(self.groups))} episodes; {self.given} "
                f"frames given, {self.frames} imagined; intervals over episodes"
            ),
            f"{self.prior.config['video']['name']}, {parameters:,} parameters",
        ]

    def read_frames(self) -> np.ndarray:
        """The frames: uint8 `(clips, time, channels, height, width)`."""
        frames = self.starts[:, None] + np.arange(self.clips.codes.shape[1])
        return self.images.pixels(frames.ravel()).reshape(*frames.shape, *self.images.shape)

    def decode(self, codes: Tensor) -> np.ndarray:
        """Frames uint8 `(clips, time, channels, height, width)` of codes `(clips, time, height, width)`."""
        parts = [self.model.decode(part).cpu() for part in codes.flatten(0, 1).split(32)]
        return torch.cat(parts).numpy().reshape(*codes.shape[:2], *self.model.shape)

    def swap_actions(self) -> Tensor:
        """Actions `(clips, time)` as they were up to the last given frame; from it on, those of another clip."""
        actions = self.clips.actions.roll(max(1, len(self.groups) // 2), 0)
        actions[:, : self.given - 1] = self.clips.actions[:, : self.given - 1]
        return actions

    def repeat_action(self, action: str) -> Tensor:
        """Actions `(clips, time)` as they were up to the last given frame; from it on, always the same one."""
        actions = self.clips.actions.clone()
        actions[:, self.given - 1 :] = self.prior.action_index(action)
        return actions

    def roll_out(self, actions: Tensor, turn: int = 0) -> Tensor:
        """Codes imagined after the given frames, `(clips, frames, height, width)`; each `turn` draws others."""
        return self.prior.sample(self.clips.codes[:, : self.given], actions[:, :-1], seed=self.seed + turn)


def select_clips(
    prior: VideoPrior, model: CodeModel, images: ImageSet, codes: ImageCodes, train: ImageCodes,
    given: int, frames: int, count: int, seed: int,
) -> HeldOutClips:  # fmt: skip
    """`count` clips of `given` and `frames` more frames, spread evenly over `images`, whose `codes` are given.

    Raises `ImageError` where the codes are those of other images, or no episode is long enough.
    """
    if list(images.table.names) != list(codes.table.names):
        raise ImageError(f"{codes.path}: not the codes of {images.path}; encode again")
    clips = prior.clips(codes, given + frames)
    starts, numbers = clips.starts(count)
    groups = [str(number) for number in numbers]
    return HeldOutClips(prior, model, images, train, clips.even(count), starts, groups, given, seed)
