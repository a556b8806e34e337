"""What becomes of codes that are (almost) never chosen: policies that any codebook can take or leave.

A policy is asked after every batch of training which codes are dead, and where they go. It is named for the unit of its
threshold, `below`.
"""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vqspeech.errors import VqspeechError
from vqspeech.models.quantize.processes import broadcast_first
from vqspeech.schema import Range


class Usage(NamedTuple):
    """A codebook after a batch: `weight` `(codes, dimension)`; `counts` `(codes,)`, the running number of vectors by
    code and batch, and `numbers` `(codes,)`, that of this batch, both over all processes; `some` draws so many of the
    batch's vectors, `(vectors, dimension)`."""

    weight: Tensor
    counts: Tensor
    numbers: Tensor
    some: Callable[[int], Tensor]


class Replacement(NamedTuple):
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

    def forward(self, use: Usage) -> Replacement | None:
        dead = use.counts < self.below * use.counts.sum() / len(use.counts)
        if not dead.any():
            return None
        return Replacement(dead.nonzero()[:, 0], use.some(len(dead))[dead])


class ByBatches(nn.Module):
    """`below`, a share of batches: after every `PERIOD` batches a code is dead that was used fewer times in them than
    that share of their number. It goes beside a code that lives, drawn in proportion to its uses (ours, after NSVQ,
    Vali and Bäckström 2022, section III.C; `AsPublished` is what its authors run). Each use counts, not each batch with
    one; so the same share is far more of a demand on a large codebook or for small batches.
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

    def forward(self, use: Usage) -> Replacement | None:
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
            return Replacement(rows, use.some(len(dead))[dead])
        places = use.weight[living.multinomial(len(rows), replacement=True)]
        noise = self.NOISE * use.weight.std(0, correction=0) * torch.randn_like(places)
        return Replacement(rows, broadcast_first(places + noise))


class AsPublished(nn.Module):
    """`below`, a share of batches, as in the code of NSVQ's authors: after every `PERIOD` batches a code is dead that
    was used in fewer of them than that share. The codes that live are copied, each as often as another, in random
    order, into the places of the dead ones, with noise of deviation `NOISE`; where none lives, all get that noise.
    After `until` batches (0: never) nothing is replaced any more; the authors' code ends 2 · `PERIOD` before training
    does.
    """

    PERIOD, NOISE = 100, 1e-12

    uses: Tensor
    batches: Tensor

    def __init__(self, codes: int, below: float, until: int = 0):
        super().__init__()
        self.below, self.until = below, until
        self.register_buffer("uses", torch.zeros(codes))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, use: Usage) -> Replacement | None:
        self.uses += use.numbers > 0
        self.batches += 1
        batches = int(self.batches)
        if batches % self.PERIOD:
            return None
        dead = self.uses < self.below * self.PERIOD
        self.uses.zero_()
        if not dead.any() or (self.until and batches > self.until):
            return None
        rows, living = dead.nonzero()[:, 0], use.weight[~dead]
        if len(living):
            copies = living.repeat(-(-len(rows) // len(living)), 1)
            living = copies[torch.randperm(len(copies), device=copies.device)[: len(rows)]]
        else:
            living = use.weight
        return Replacement(rows, broadcast_first(living + self.NOISE * torch.randn_like(living)))


Unit = Literal["vectors", "batches", "nsvq"]
"""What a threshold counts; nsvq: as its authors count."""
Batches = Annotated[int, Range(0, 1_000_000_000)]
Policy = ByVectors | ByBatches | AsPublished


def make_policy(unit: Unit, codes: int, below: float, until: int = 0) -> Policy | None:
    """The policy of that unit and threshold; none where `below` is 0."""
    if not below:
        return None
    return AsPublished(codes, below, until) if unit == "nsvq" else POLICIES[unit](codes, below)


POLICIES: dict[Unit, type[Policy]] = {"vectors": ByVectors, "batches": ByBatches, "nsvq": AsPublished}
"""Policies by the unit of their threshold."""


def draw_vectors(vectors: Tensor, number: int) -> Tensor:
    """`number` of `(vectors, dimension)` drawn at random, the same in every process; without replacement where there
    are enough. Raises `VqspeechError` where there are none."""
    if not len(vectors):
        raise VqspeechError("no vector of the batch counts; is everything in it padding?")
    order = torch.randperm(len(vectors), device=vectors.device)
    return broadcast_first(vectors[order.repeat(-(-number // len(vectors)))[:number]].clone())
