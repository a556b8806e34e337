"""Policies for codes that are (almost) never chosen, which any codebook can take or leave.

After every batch of training a policy returns which codes are dead, and where they go. It is named for the unit of its
threshold, `below`.
"""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vqspeech.errors import VqspeechError
from vqspeech.models.quantize.processes import broadcast_first, gather_rows
from vqspeech.schema import Range


class Usage(NamedTuple):
    """Usage of a codebook after a batch, over all processes.

    Attributes:
        weight: `(codes, dimension)`.
        counts: Running number of vectors by code and batch, `(codes,)`.
        numbers: That of this batch, `(codes,)`.
        some: Draws so many of the batch's vectors, `(vectors, dimension)`.
    """

    weight: Tensor
    counts: Tensor
    numbers: Tensor
    some: Callable[[int], Tensor]


class Replacement(NamedTuple):
    """Dead codes, int64 `(dead,)`, and their new vectors, `(dead, dimension)`."""

    rows: Tensor
    vectors: Tensor


class ByVectors(nn.Module):
    """Dead is a code whose running share of the vectors is less than `below` times the uniform share 1/K.

    It goes to a random vector of the batch (Dhariwal et al. 2020, arXiv 2005.00341: random restarts for embeddings).
    This does not depend on the batch size or the number of codes.
    """

    def __init__(self, codes: int, below: float):
        super().__init__()
        self.below = below

    def forward(self, use: Usage) -> Replacement | None:
        """Return the dead codes and their new vectors; None where there are none."""
        dead = use.counts < self.below * use.counts.sum() / len(use.counts)
        if not dead.any():
            return None
        return Replacement(dead.nonzero()[:, 0], use.some(len(dead))[dead])


class ByBatches(nn.Module):
    """Dead is a code that was used fewer times in `PERIOD` batches than the share `below` of their number.

    It goes beside a living code, drawn in proportion to its uses (ours, after NSVQ, Vali and Bäckström 2022, section
    III.C; `AsPublished` is what its authors run). Each use counts, not each batch with one; so the same share demands
    far more of a large codebook or of small batches.
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
        """Return the dead codes and their new vectors; None where there are none."""
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
    """Dead is a code used in less than the share `below` of `PERIOD` batches, as in the code of NSVQ's authors.

    The living codes are copied, each as often as another, in random order, into the places of the dead ones, with noise
    of deviation `NOISE`; where none lives, all codes get that noise. After `until` batches (0: never) nothing is
    replaced any more; the authors' code stops 2 · `PERIOD` batches before the end of training.
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
        """Return the dead codes and their new vectors; None where there are none."""
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
    """Return the policy of that unit and threshold; None where `below` is 0."""
    if not below:
        return None
    return AsPublished(codes, below, until) if unit == "nsvq" else POLICIES[unit](codes, below)


POLICIES: dict[Unit, type[Policy]] = {"vectors": ByVectors, "batches": ByBatches, "nsvq": AsPublished}
"""Policies by the unit of their threshold."""


def draw_vectors(vectors: Tensor, number: int) -> Tensor:
    """Return `number` of the vectors `(vectors, dimension)` of all processes at random, the same in every process.

    They are drawn without replacement where there are enough.

    Raises:
        VqspeechError: There are none.
    """
    vectors = gather_rows(vectors)
    if not len(vectors):
        raise VqspeechError("no vector of the batch counts; is everything in it padding?")
    order = torch.randperm(len(vectors), device=vectors.device)
    return broadcast_first(vectors[order.repeat(-(-number // len(vectors)))[:number]].clone())
