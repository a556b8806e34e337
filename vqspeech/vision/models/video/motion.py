"""How what is seen moves from a frame to the next, by what is done between them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech.schema import require_multiple
from vqspeech.vision.data.codes import ImageCodes

PAIRS, ROUNDS = 128, 30
"""Pairs of frames of an action that shifts are counted in, and rounds of expectation-maximisation."""
FARTHEST = (4, 10)
"""Rows and columns of the farthest shift that is counted."""


class Motion(nn.Module):
    """Where what is seen in a frame comes to lie in the next one, by what is done between them.

    Each head shares `width` / `heads` channels and shifts them in all ways, each weighed by how likely it is after that
    action: turning moves everything sideways, and what has left the view is gone.
    """

    def __init__(self, width: int, grid: tuple[int, int], actions: int, heads: int):
        super().__init__()
        require_multiple("video", {"past": width, "heads": heads}, "past", "heads")
        self.heads, self.grid = heads, grid
        rows, columns = (torch.arange(1 - size, size) ** 2 for size in grid)
        # Near shifts are the likelier ones to begin with.
        self.shifts = nn.Parameter((-(rows[:, None] + columns) / 18.0).repeat(actions + 1, heads, 1, 1))

    def weights(self) -> Tensor:
        """How much of what is at a place goes to another: `(actions + 1, heads, places to, places from)`."""
        height, width = self.grid
        likely = self.shifts.flatten(2).softmax(-1).view_as(self.shifts)
        return likely.unfold(2, height, 1).unfold(3, width, 1).flip(2, 3).flatten(4).flatten(2, 3)

    def forward(self, x: Tensor, actions: Tensor) -> Tensor:
        """x `(batch, width, height, width)` as it lies after actions `(batch,)`."""
        weights, moved = self.weights().to(x.dtype), torch.empty_like(x)
        for action in actions.unique():
            chosen = actions == action
            frames = x[chosen].flatten(2).unflatten(1, (self.heads, -1))
            found = torch.einsum("htf,bhcf->bhct", weights[action], frames)
            moved[chosen] = found.flatten(1, 2).unflatten(2, self.grid).to(x.dtype)
        return moved

    @torch.no_grad()
    def start(self, likely: np.ndarray) -> None:
        """Starts all heads at shifts `(actions + 1, 2 height - 1, 2 width - 1)`, as `shifts` finds them, but sharper:
        many codes are alike by chance, above all beside each other."""
        self.shifts.copy_(torch.from_numpy(3 * np.log(likely))[:, None].expand_as(self.shifts))


def shifts(codes: ImageCodes, actions: Sequence[str]) -> np.ndarray:
    """How likely a code lies where it does because it has been shifted so far: float64 `(actions + 1, 2 height - 1,
    2 width - 1)`, row and column of no shift in the middle; first whatever is done, as it is for what is never done.

    Each code is drawn from the frame before, shifted, or from the unigram; shares by expectation-maximisation.
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
    """As `shifts`, of one action, done at these frames."""
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
