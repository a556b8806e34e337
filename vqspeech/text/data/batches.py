"""Batches of sentence pairs of similar length, of few different shapes: a GPU captures a training step of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch
from vqspeech.errors import CorpusError
from vqspeech.text.data.vocabulary import PAD

STEP = 8
"""Widths of batches are multiples of it: the pieces that a latent stands for."""


@dataclass
class TextBatch(Batch):
    """Pieces of sentences and their translations, both int64 `(batch, width)`, filled up with `PAD`."""

    source: Tensor
    target: Tensor


class TextBatches:
    """Batches of sentence pairs.

    Pairs are sorted into groups by the longer of their sides, rounded up to a multiple of `STEP`. A batch is of one
    group, which is drawn in proportion to its pieces.

    Args:
        sources: Pieces of each sentence.
        targets: Pieces of each translation.
        longest: Pairs with more pieces on a side are left out.

    Raises:
        CorpusError: None is left.
    """

    def __init__(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], longest: int):
        lengths = np.array([max(len(one), len(other)) for one, other in zip(sources, targets, strict=True)])
        self.too_long = int((lengths > longest).sum())
        widths = -(-lengths // STEP) * STEP
        self._groups = [
            TextBatch(*(fill([side[i] for i in chosen.tolist()], int(width)) for side in (sources, targets)))
            for width in np.unique(widths[lengths <= longest])
            if len(chosen := np.flatnonzero((widths == width) & (lengths <= longest)))
        ]
        if not self._groups:
            raise CorpusError(f"all {len(lengths)} pairs have more than {longest} pieces; raise model.longest")
        pieces = np.array([one.target.numel() for one in self._groups], dtype=np.float64)
        self._shares = pieces / pieces.sum()

    def __len__(self) -> int:
        return sum(len(one.source) for one in self._groups)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> TextBatch:
        """Return random pairs with about `size` target pieces in all, padding included."""
        draws = np.random.default_rng([seed, step, process])
        group = self._groups[draws.choice(len(self._groups), p=self._shares)]
        count = max(1, size // group.target.shape[1])
        picks = torch.from_numpy(draws.integers(len(group.source), size=count))
        return group.each(lambda pieces: pieces[picks].long())

    def in_order(self, size: int) -> Iterator[TextBatch]:
        """Yield all pairs in batches of at most about `size` target pieces, padding included."""
        for group in self._groups:
            count = max(1, size // group.target.shape[1])
            for start in range(0, len(group.source), count):
                yield TextBatch(group.source[start : start + count].long(), group.target[start : start + count].long())


def fill(pieces: Sequence[Sequence[int]], width: int) -> Tensor:
    """Return sequences of pieces as int32 `(sequences, width)`, filled up with `PAD`."""
    found = torch.full((len(pieces), width), PAD, dtype=torch.int32)
    for row, some in zip(found, pieces, strict=True):
        row[: len(some)] = torch.tensor(some, dtype=torch.int32)
    return found
