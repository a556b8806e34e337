"""Codebooks: seconds of nearest-neighbour search and of a training step, ours and others'.

They are processor time of one core: threads that wait for each other on a busy machine would measure the machine.

vector-quantize-pytorch is a package of this bench alone: pip install -c constraints.txt vector-quantize-pytorch
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from vqspeech.models.quantize import QUANTIZERS, Codebook, make_quantizer
from vqspeech.models.quantize.search import nearest

THEIRS = "vector-quantize-pytorch"
BATCH, TIME, CODES, DIMENSION = 16, 128, 512, 64
"""Size of a training step."""


def theirs(codes: int, dimension: int):
    """Return their codebook by EMA, with their defaults except our constants."""
    from vector_quantize_pytorch import VectorQuantize  # pyright: ignore[reportMissingImports]

    return VectorQuantize(dim=dimension, codebook_size=codes, decay=0.99, commitment_weight=0.25)


def searched(kind: str, weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the nearest codes of vectors `(vectors, dimension)`, by kind of search."""
    if kind == "ours":
        return lambda vectors: nearest(vectors, weight)
    if kind == "torch.cdist and argmin":
        return lambda vectors: torch.cdist(vectors, weight).argmin(1)
    book = theirs(*weight.shape).eval()
    book._codebook.embed.data.copy_(weight[None])  # noqa: SLF001 -- the package has no public name for it
    return lambda vectors: book(vectors[None])[1][0]


KINDS = ("ours", "torch.cdist and argmin", THEIRS)


class Searches:
    """Seconds of one search in a codebook, by kind, per call."""

    def __init__(self, vectors: int, codes: int, dimension: int):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.vectors, weight = torch.randn(vectors, dimension), torch.randn(codes, dimension)
        self.ways = {kind: searched(kind, weight) for kind in KINDS}
        with torch.inference_mode():
            found = {kind: way(self.vectors) for kind, way in self.ways.items()}
        differ = max(float((codes != found["ours"]).float().mean()) for codes in found.values())
        self.about = {"kinds": KINDS, "differ": differ}

    def __call__(self, kind: str) -> float:
        started = time.process_time()
        with torch.inference_mode():
            self.ways[kind](self.vectors)
        return time.process_time() - started


def search(kind: str, vectors: int, codes: int, dimension: int) -> None:
    """Run one search, to measure its memory."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        searched(kind, torch.randn(codes, dimension))(torch.randn(vectors, dimension))


class Steps:
    """Seconds of a training step (forward and backward) of a quantiser alone, by name, per call."""

    def __init__(self):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.z = torch.randn(BATCH, DIMENSION, TIME, requires_grad=True)
        self.mask = torch.ones(BATCH, TIME, dtype=torch.bool)
        self.books: dict[str, Codebook | torch.nn.Module] = {
            name: make_quantizer(name, CODES, DIMENSION).train() for name in QUANTIZERS
        }
        self.books[THEIRS] = theirs(CODES, DIMENSION).train()
        size = f"{BATCH} x {TIME} vectors, {CODES} x {DIMENSION}"
        self.about = {"kinds": list(self.books), "size": size}

    def __call__(self, name: str) -> float:
        book, started = self.books[name], time.process_time()
        if name == THEIRS:
            vectors, _, loss = book(self.z.transpose(1, 2))
            (vectors.square().sum() + loss.sum()).backward()
        else:
            found = book(self.z, self.mask)
            (found.vectors.square().sum() + sum(found.losses.values())).backward()
        return time.process_time() - started
