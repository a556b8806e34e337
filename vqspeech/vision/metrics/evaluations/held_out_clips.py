"""Held-out clips of video frames, and what a prior imagines after them: the items of all tables of video."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech.errors import ImageError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.vision.data.clips import ClipBatch
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.video import VideoPrior

HORIZONS = (1, 2, 3, 5, 10)
"""Horizons with a column."""


class Section(NamedTuple):
    """A table of scores, with notes on how it was measured."""

    name: str
    rows: Sequence[Mapping]
    notes: Sequence[str]


@dataclass(frozen=True)
class HeldOutClips:
    """Clips of `given` and more frames.

    Attributes:
        prior: The prior.
        model: The model the codes come from.
        images: The set of frames.
        train: Codes that the prior was trained on.
        clips: Codes and actions of the clips.
        starts: Index of the first frame of each clip.
        groups: Episode of each clip.
        given: Number of frames that are given.
        seed: Seed of all draws.
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
        """Number of frames after the given ones."""
        return self.clips.codes.shape[1] - self.given

    @property
    def horizons(self) -> list[int]:
        """Those of `HORIZONS` within the clips."""
        return [horizon for horizon in HORIZONS if horizon <= self.frames]

    @property
    def notes(self) -> list[str]:
        """Notes of every table."""
        parameters = sum(one.numel() for one in self.prior.parameters())
        return [
            (
                f"{len(self.groups)} clips of {self.images.path}, {len(set(self.groups))} episodes; {self.given} "
                f"frames given, {self.frames} imagined; intervals over episodes"
            ),
            f"{self.prior.config['video']['name']}, {parameters:,} parameters",
        ]

    def read_frames(self) -> np.ndarray:
        """Read the real frames: uint8 `(clips, time, channels, height, width)`."""
        frames = self.starts[:, None] + np.arange(self.clips.codes.shape[1])
        return self.images.pixels(frames.ravel()).reshape(*frames.shape, *self.images.shape)

    def decode(self, codes: Tensor) -> np.ndarray:
        """Decode codes `(clips, time, height, width)` to frames uint8 `(clips, time, channels, height, width)`."""
        parts = [self.model.decode(part).cpu() for part in codes.flatten(0, 1).split(32)]
        return torch.cat(parts).numpy().reshape(*codes.shape[:2], *self.model.shape)

    def swap_actions(self) -> Tensor:
        """Return actions `(clips, time)` that are those of another clip from the last given frame on."""
        actions = self.clips.actions.roll(max(1, len(self.groups) // 2), 0)
        actions[:, : self.given - 1] = self.clips.actions[:, : self.given - 1]
        return actions

    def repeat_action(self, action: str) -> Tensor:
        """Return actions `(clips, time)` that are always `action` from the last given frame on."""
        actions = self.clips.actions.clone()
        actions[:, self.given - 1 :] = self.prior.action_index(action)
        return actions

    def roll_out(self, actions: Tensor, turn: int = 0) -> Tensor:
        """Roll out codes `(clips, frames, height, width)` after the given frames; each `turn` has other draws."""
        return self.prior.sample(self.clips.codes[:, : self.given], actions[:, :-1], seed=self.seed + turn)


def select_clips(
    prior: VideoPrior, model: CodeModel, images: ImageSet, codes: ImageCodes, train: ImageCodes,
    given: int, frames: int, count: int, seed: int,
) -> HeldOutClips:  # fmt: skip
    """Select `count` clips of `given` and `frames` more frames, evenly spaced over `images`.

    Raises:
        ImageError: The codes are those of other images, or no episode is long enough.
    """
    if list(images.table.names) != list(codes.table.names):
        raise ImageError(f"{codes.path}: not the codes of {images.path}; encode again")
    clips = prior.clips(codes, given + frames)
    starts, numbers = clips.starts(count)
    groups = [str(number) for number in numbers]
    return HeldOutClips(prior, model, images, train, clips.even(count), starts, groups, given, seed)


def tabulate_horizons(
    bits: dict[str, np.ndarray], groups: Sequence[str], horizons: Sequence[int], prefix: str = "horizon"
) -> list[dict]:
    """Tabulate measurements by horizon, and their mean over all horizons.

    Args:
        bits: Measurements `(clips, frames, …)` by row.
        groups: Episodes of the clips, which intervals resample.
        horizons: Horizons with a column.
        prefix: Start of the names of the columns.
    """
    table = []
    for name, found in bits.items():
        flat = found.reshape(*found.shape[:2], -1).mean(2)
        row = {f"{prefix} {h}": estimate_ratio(flat[:, h - 1], groups=groups) for h in horizons if h <= flat.shape[1]}
        table.append({"row": name, **row, f"all {flat.shape[1]}": estimate_ratio(flat.mean(1), groups=groups)})
    return table
