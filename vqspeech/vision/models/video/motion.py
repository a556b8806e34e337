"""Motion of the view from one frame to the next, by action."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech.schema import require_multiple
from vqspeech.vision.data.codes import ImageCodes

PAIRS, ROUNDS = 128, 30
"""Pairs of frames of an action that shifts are estimated from, and iterations of expectation-maximisation."""
FARTHEST = (4, 10)
"""Maximum shift in rows and columns that is estimated."""


class Motion(nn.Module):
    """Action-conditioned shifts of feature maps.

    Each head has `width` / `heads` channels and averages all shifts of them, weighted by their learned probability
    after the action: turning moves everything sideways, and what leaves the view is lost.
    """

    def __init__(self, width: int, grid: tuple[int, int], actions: int, heads: int):
        super().__init__()
        require_multiple("video", {"past": width, "heads": heads}, "past", "heads")
        self.heads, self.grid = heads, grid
        rows, columns = (torch.arange(1 - size, size) ** 2 for size in grid)
        # Near shifts are the likelier ones to begin with.
        self.shifts = nn.Parameter((-(rows[:, None] + columns) / 18.0).repeat(actions + 1, heads, 1, 1))

    def weights(self) -> Tensor:
        """Return the share of each place that moves to another: `(actions + 1, heads, places to, places from)`."""
        height, width = self.grid
        likely = self.shifts.flatten(2).softmax(-1).view_as(self.shifts)
        return likely.unfold(2, height, 1).unfold(3, width, 1).flip(2, 3).flatten(4).flatten(2, 3)

    def forward(self, x: Tensor, actions: Tensor) -> Tensor:
        """Return x `(batch, width, height, width)` shifted by actions `(batch,)`."""
        weights, moved = self.weights().to(x.dtype), torch.empty_like(x)
        for action in actions.unique():
            chosen = actions == action
            frames = x[chosen].flatten(2).unflatten(1, (self.heads, -1))
            found = torch.einsum("htf,bhcf->bhct", weights[action], frames)
            moved[chosen] = found.flatten(1, 2).unflatten(2, self.grid).to(x.dtype)
        return moved

    @torch.no_grad()
    def initialise(self, likely: np.ndarray) -> None:
        """Initialise all heads to shifts `(actions + 1, 2 height - 1, 2 width - 1)` from `fit_shifts`, sharpened.

        They are sharpened because many codes are equal by chance, above all neighbours.
        """
        self.shifts.copy_(torch.from_numpy(3 * np.log(likely))[:, None].expand_as(self.shifts))


def fit_shifts(codes: ImageCodes, actions: Sequence[str]) -> np.ndarray:
    """Estimate the probability of each shift by action, by expectation-maximisation.

    A code comes either from the shifted previous frame or from the unigram.

    Args:
        codes: Codes of episodes.
        actions: Names of the actions.

    Returns:
        float64 `(actions + 1, 2 height - 1, 2 width - 1)`, with no shift in the middle; first over all actions, which
        also stands for actions that never occur.
    """
    grids, table = np.asarray(codes.codes), codes.table
    assert table.episodes is not None
    unigram = np.bincount(grids.ravel(), minlength=codes.size) + 1.0
    unigram /= unigram.sum()
    follow = np.random.default_rng(0).permutation(np.flatnonzero(table.episodes[1:] == table.episodes[:-1]))
    of_all = _shares(grids, follow[:PAIRS], unigram)
    found = [of_all]
    for name in actions:
        pairs = follow[table.actions[follow] == codes.actions.index(name)] if table.actions is not None else follow[:0]
        found.append(_shares(grids, pairs[:PAIRS], unigram) if len(pairs) else of_all)
    return np.stack(found)


def _shares(grids: np.ndarray, frames: np.ndarray, unigram: np.ndarray) -> np.ndarray:
    """Estimate the shifts after these frames."""
    height, width = grids.shape[1:]
    rows, columns = min(FARTHEST[0], height - 1), min(FARTHEST[1], width - 1)
    after = grids[frames + 1]
    before = np.pad(grids[frames], ((0, 0), (rows, rows), (columns, columns)), constant_values=-1)
    odds = unigram[after]
    ways = [(y, x) for y in range(2 * rows + 1) for x in range(2 * columns + 1)]
    same = np.empty((len(ways), *after.shape), np.float32)
    for i, (y, x) in enumerate(ways):
        moved = before[:, y : y + height, x : x + width]
        same[i] = np.where(moved < 0, odds, moved == after)  # what comes into view may be anything
    shares, other = np.full(len(ways), 0.5 / len(ways)), 0.5
    for _ in range(ROUNDS):
        whole = np.tensordot(shares, same, 1) + other * odds
        shares, other = shares * (same / whole).mean((1, 2, 3)), other * (odds / whole).mean()
    found = np.full((2 * height - 1, 2 * width - 1), 1e-6)
    middle = found[height - 1 - rows : height + rows, width - 1 - columns : width + columns]
    middle += shares.reshape(middle.shape) / shares.sum()
    return found
