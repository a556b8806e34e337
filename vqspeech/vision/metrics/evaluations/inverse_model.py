"""Inverse dynamics model: recognises the action between two frames, trained on real frames only."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import ImageError
from vqspeech.progress import track
from vqspeech.vision.data.images import ImageSet

MAX_PAIRS, BATCH = 20_000, 32
"""Maximum number of training pairs, and pairs of a batch."""
SHIFT = 5
"""Maximum displacement that is compared, in places of four pixels."""


class Pairs(NamedTuple):
    """Pairs of consecutive frames.

    Attributes:
        frames: Index of the first frame, int64 `(n,)`.
        actions: Action taken at it.
        groups: Its episode.
    """

    frames: np.ndarray
    actions: np.ndarray
    groups: np.ndarray


def draw_pairs(images: ImageSet, limit: int, seed: int = 0) -> Pairs:
    """Draw at most `limit` pairs of a set of frames at random.

    Raises:
        ImageError: The set has no actions, or no two consecutive frames.
    """
    table = images.table
    if table.episodes is None or table.actions is None or table.actions.max() < 0:
        raise ImageError(f"{images.path}: has no actions; prepare frames with actions")
    found = np.flatnonzero((table.episodes[1:] == table.episodes[:-1]) & (table.actions[:-1] >= 0))
    if not len(found):
        raise ImageError(f"{images.path}: no two frames follow each other in an episode; record longer ones")
    found = np.random.default_rng(seed).permutation(found)[:limit]
    return Pairs(found, table.actions[found], table.episodes[found])


class InverseModel(nn.Module):
    """p(action | a frame, the next one) by a cost volume, as in optical flow (Dosovitskiy et al., FlowNet, 1504.06852).

    Features at a quarter of the resolution are correlated with those up to `SHIFT` places away in the next frame, and
    convolutions classify the displacements.

    Args:
        channels: Channels of a frame.
        actions: Number of actions.
        width: Channels of the first layer.
    """

    def __init__(self, channels: int, actions: int, width: int = 16):
        super().__init__()
        self.seen = nn.Sequential(
            nn.Conv2d(channels, width, 5, 2, 2), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
        )  # fmt: skip
        self.moved = nn.Sequential(
            nn.Conv2d((2 * SHIFT + 1) * 3, 2 * width, 3, 2, 1), nn.ReLU(), nn.Conv2d(2 * width, 2 * width, 3, 2, 1),
            nn.ReLU(), nn.AdaptiveAvgPool2d(5), nn.Flatten(),
        )  # fmt: skip
        self.output = nn.Sequential(nn.Linear(50 * width, 64), nn.ReLU(), nn.Linear(64, actions))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return logits `(batch, actions)` of frames uint8 `(batch, channels, height, width)` and those that follow."""
        # Without the mean over the frame, all would be alike at the start, and nothing learned for a thousand steps.
        one, other = (F.instance_norm(self.seen(frames.float() / 127.5 - 1)) for frames in (before, after))
        height, width = one.shape[2:]
        other = F.pad(other, (SHIFT, SHIFT, 1, 1))
        shifts = [(y, x) for y in range(3) for x in range(2 * SHIFT + 1)]
        alike = [(one * other[:, :, y : y + height, x : x + width]).mean(1) for y, x in shifts]
        return self.output(self.moved(torch.stack(alike, 1)))

    @torch.inference_mode()
    def logits(self, before: np.ndarray, after: np.ndarray, size: int = 256) -> np.ndarray:
        """Return the logits of arrays of frames, `size` at once: float32 `(n, actions)`."""
        found = []
        for start in range(0, len(before), size):
            one, other = (torch.from_numpy(frames[start : start + size]) for frames in (before, after))
            found.append(self(one, other))
        return torch.cat(found).numpy()


def fit_inverse_model(images: ImageSet, steps: int = 1000, seed: int = 0) -> InverseModel:
    """Train an inverse model on pairs of real frames; all actions have the same weight.

    Raises:
        ImageError: The set has no actions.
    """
    learned = draw_pairs(images, MAX_PAIRS, seed)
    counts = np.bincount(learned.actions, minlength=len(images.actions))
    weights = torch.from_numpy(np.where(counts > 0, 1 / np.maximum(counts, 1), 0.0)).float()
    weights *= len(learned.actions) / (counts > 0).sum()
    torch.manual_seed(seed)
    model = InverseModel(images.shape[0], len(images.actions)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    draw = np.random.default_rng(seed)
    for _ in track(range(steps), "inverse model"):
        picks = draw.integers(len(learned.frames), size=BATCH)
        frames = learned.frames[picks]
        before, after = (torch.from_numpy(images.pixels(one)) for one in (frames, frames + 1))
        loss = F.cross_entropy(model(before, after), torch.from_numpy(learned.actions[picks]), weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()
