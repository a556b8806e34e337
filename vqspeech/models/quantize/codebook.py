"""What all codebooks share: nearest neighbours, the straight-through gradient, initialisation and revival.

All of it is computed in float32, under autocast too, and all counts are summed over processes, so that several
processes keep one and the same codebook.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist

from vqspeech.errors import VqspeechError


class Quantised(NamedTuple):
    """`vectors` `(batch, dimension, time)`, equal to the chosen code vectors, with the straight-through gradient;
    `codes` int64 `(batch, time)`; `losses` by name, to be added up."""

    vectors: Tensor
    codes: Tensor
    losses: dict[str, Tensor]


def summed(x: Tensor) -> Tensor:
    """`x` summed over all processes, in place."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(x)
    return x


def agreed(x: Tensor) -> Tensor:
    """The first process's `x` in every process, in place."""
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(x, 0)
    return x


class Codebook(nn.Module):
    """`codes` vectors of `dimension` numbers, chosen by Euclidean distance (1711.00937, eq. 1 and 2).

    At its first training batch the codebook is fitted to the batch by `lloyd` rounds of k-means. In training `counts`
    holds the running number of vectors per code and batch (decay γ); a code whose share of the vectors falls below
    `revive_below` of the uniform share 1/K is dead and is put on a random vector of the batch (0: never).
    """

    lloyd = 10
    frozen = False
    """Whether the code vectors stay as they are in training too."""

    def __init__(self, codes: int, dimension: int, beta: float, decay: float, revive_below: float):
        super().__init__()
        self.beta, self.decay, self.revive_below = beta, decay, revive_below
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    counts: Tensor
    fitted: Tensor
    weight: Tensor
    """The code vectors, float32 `(codes, dimension)`."""

    @property
    def size(self) -> int:
        """Number of codes, K."""
        return len(self.counts)

    def nearest(self, flat: Tensor) -> Tensor:
        """Index of the nearest code of each vector: `(vectors, dimension)` → int64 `(vectors,)`."""
        with torch.autocast(flat.device.type, enabled=False):
            weight = self.weight.detach()
            return torch.addmm(weight.square().sum(1), flat.float(), weight.T, alpha=-2).argmin(1)

    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors of codes: int `(batch, time)` → float32 `(batch, dimension, time)`."""
        return nn.functional.embedding(codes, self.weight).transpose(1, 2)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """z `(batch, dimension, time)`, mask `(batch, time)` bool: vectors that count for losses and statistics.

        Raises `VqspeechError` where z is not finite.
        """
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            flat = z.transpose(1, 2).reshape(-1, z.shape[1])  # (batch * time, dimension)
            weights = mask.reshape(-1).float()
            learning = self.training and not self.frozen
            if learning:
                if not torch.isfinite(flat).all():
                    raise VqspeechError("the encoder's output is not finite; lower the learning rate, check the data")
                if not self.fitted:
                    self._fit(flat.detach()[mask.reshape(-1)])
            codes = self.nearest(flat)
            chosen = self.lookup(codes.view(mask.shape))
            losses = self.losses(z, chosen, weights.view(mask.shape))
            if learning:
                self._update(flat.detach(), codes, weights)
            return Quantised(z + (chosen - z).detach(), codes.view(mask.shape), losses)

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The commitment loss β ‖z − sg(e)‖² (eq. 3), averaged over vectors and dimensions."""
        return {"commitment": self.beta * _mean(z - chosen.detach(), weights)}

    def set_vectors(self, rows: Tensor, vectors: Tensor, count: Tensor | float) -> None:
        """Puts the codes `rows` on `vectors`, as if each had just been chosen `count` times a batch."""
        self.counts[rows] = count
        with torch.no_grad():
            self.weight[rows] = vectors

    def move(self, numbers: Tensor, sums: Tensor) -> None:
        """Moves the codebook after a batch: how often each code was chosen, and the sum of its vectors, decayed."""

    @torch.no_grad()
    def _fit(self, flat: Tensor) -> None:
        everywhere = torch.arange(self.size, device=flat.device)
        self.set_vectors(everywhere, self._picked(flat, self.size), 1.0)
        for _ in range(self.lloyd):
            numbers, sums = self._assigned(flat, self.nearest(flat), flat.new_ones(len(flat)))
            empty = numbers == 0
            means = sums / numbers.clamp(min=1)[:, None]
            means[empty] = self._picked(flat, self.size)[empty]
            self.set_vectors(everywhere, means, numbers.clamp(min=1))
        self.fitted.fill_(True)

    @torch.no_grad()
    def _update(self, flat: Tensor, codes: Tensor, weights: Tensor) -> None:
        numbers, sums = self._assigned(flat, codes, weights)
        self.counts.lerp_(numbers, 1 - self.decay)
        self.move(numbers, sums)
        if self.revive_below:
            dead = self.counts < self.revive_below * self.counts.sum() / self.size
            if dead.any():
                vectors = self._picked(flat[weights > 0], self.size)
                self.set_vectors(dead.nonzero()[:, 0], vectors[dead], self.counts.mean())

    def _assigned(self, flat: Tensor, codes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Number `(codes,)` and sum `(codes, dimension)` of the vectors of each code, over all processes."""
        numbers = flat.new_zeros(self.size).index_add_(0, codes, weights)
        sums = flat.new_zeros(self.size, flat.shape[1]).index_add_(0, codes, flat * weights[:, None])
        return summed(numbers), summed(sums)

    def _picked(self, flat: Tensor, number: int) -> Tensor:
        """`number` vectors drawn at random, the same in every process; without replacement where there are enough."""
        order = torch.randperm(len(flat), device=flat.device)
        return agreed(flat[order.repeat(-(-number // len(flat)))[:number]].clone())


def _mean(difference: Tensor, weights: Tensor) -> Tensor:
    """Mean square of `(batch, dimension, time)` over dimensions and the vectors that count `(batch, time)`."""
    return (difference.square().mean(1) * weights).sum() / weights.sum().clamp(min=1)
