"""What becomes of codes that are (almost) never chosen: policies that any codebook can take or leave.

A policy is asked after every batch of training which codes are dead, and where they go. It is named for the unit of its
threshold, `below`.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from vqspeech.errors import VqspeechError
from vqspeech.models.quantize.processes import agreed


class Use(NamedTuple):
    """A codebook after a batch: `weight` `(codes, dimension)`; `counts` `(codes,)`, the running number of vectors by
    code and batch, and `numbers` `(codes,)`, that of this batch, both over all processes; `some` draws so many of the
    batch's vectors, `(vectors, dimension)`."""

    weight: Tensor
    counts: Tensor
    numbers: Tensor
    some: Callable[[int], Tensor]


class Moved(NamedTuple):
    """Dead codes, int64 `(dead,)`, and the vectors they are put on, `(dead, dimension)`."""

    rows: Tensor
    vectors: Tensor


class ByVectors(nn.Module):
    """`below`, a share of vectors: a code is dead whose running share of the vectors is below that share of the uniform
    share 1/K. It goes to a random vector of the batch (Dhariwal et al. 2020, arXiv 2005.00341: random restarts for
    embeddings). Independent of the batch size and of the number of codes."""

    def __init__(self, codes: int, below: float):
        super().__init__()
        self.below = below

    def forward(self, use: Use) -> Moved | None:
        dead = use.counts < self.below * use.counts.sum() / len(use.counts)
        if not dead.any():
            return None
        return Moved(dead.nonzero()[:, 0], use.some(len(dead))[dead])


class ByBatches(nn.Module):
    """`below`, a share of batches: after every `PERIOD` batches a code is dead that was used fewer times in them than
    that share of their number. It goes beside a code that lives, drawn in proportion to its uses (NSVQ, Vali and
    Bäckström 2022, section III.C). Each use counts, not each batch with one; so the same share is far more of a demand
    on a large codebook or for small batches.
    """

    PERIOD, NOISE = 100, 0.01
    """Batches between two replacements; distance to the living code, in deviations of the codebook."""

    uses: Tensor
    batches: Tensor

    def __init__(self, codes: int, below: float):
        super().__init__()
        self.below = below
        self.register_buffer("uses", torch.zeros(codes))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, use: Use) -> Moved | None:
        self.uses += use.numbers
        self.batches += 1
        if self.batches < self.PERIOD:
            return None
        dead, living = self.uses < self.below * self.batches, self.uses.clone()
        self.uses.zero_()
        self.batches.zero_()
        if not dead.any():
            return None
        rows = dead.nonzero()[:, 0]
        living[rows] = 0
        if not living.any():
            return Moved(rows, use.some(len(dead))[dead])
        places = use.weight[living.multinomial(len(rows), replacement=True)]
        noise = self.NOISE * use.weight.std(0, correction=0) * torch.randn_like(places)
        return Moved(rows, agreed(places + noise))


Unit = Literal["vectors", "batches"]
"""What a threshold counts."""
POLICIES: dict[Unit, type[ByVectors] | type[ByBatches]] = {"vectors": ByVectors, "batches": ByBatches}
"""Policies by the unit of their threshold."""


def policy(unit: Unit, codes: int, below: float) -> ByVectors | ByBatches | None:
    """The policy of that unit and threshold; none where `below` is 0."""
    return POLICIES[unit](codes, below) if below else None


def drawn(vectors: Tensor, number: int) -> Tensor:
    """`number` of `(vectors, dimension)` drawn at random, the same in every process; without replacement where there
    are enough. Raises `VqspeechError` where there are none."""
    if not len(vectors):
        raise VqspeechError("no vector of the batch counts; is everything in it padding?")
    order = torch.randperm(len(vectors), device=vectors.device)
    return agreed(vectors[order.repeat(-(-number // len(vectors)))[:number]].clone())
