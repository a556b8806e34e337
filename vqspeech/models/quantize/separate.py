"""Latents with an embedding space each: as many codebooks as latents, of the same size.

Van den Oord et al. (arXiv 1711.00937, section 4.2): each of the three latents of the second VQ-VAE has K = 512 codes in
an embedding space of its own.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vqspeech.models.quantize.codebook import Codebook, Quantised


class Codebooks(nn.Module):
    """Several codebooks of one size."""

    def __init__(self, books: Sequence[Codebook]):
        super().__init__()
        self.books = cast(Sequence[Codebook], nn.ModuleList(books))

    @property
    def size(self) -> int:
        """Number of codes of each codebook, K."""
        return self.books[0].size


class SeparateCodebooks(Codebooks):
    """A codebook for each latent, with the interface of one codebook; latents take the place of time."""

    def nearest_codes(self, z: Tensor) -> Tensor:
        """Return the nearest code of each latent: `(batch, dimension, latents)` → int64 `(batch, latents)`."""
        return torch.stack([book.nearest(one) for book, one in zip(self.books, z.unbind(2), strict=True)], 1)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return vectors of codes: int `(batch, latents)` → float32 `(batch, dimension, latents)`."""
        found = [book.lookup(one[:, None]) for book, one in zip(self.books, codes.unbind(1), strict=True)]
        return torch.cat(found, 2)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """Quantise z `(batch, dimension, latents)` as `Codebook.forward`.

        Losses are means over latents, usage is `(latents, codes)`.
        """
        found = [
            book(one, counting) for book, one, counting in zip(self.books, z.split(1, 2), mask.split(1, 1), strict=True)
        ]
        losses = {name: torch.stack([one.losses[name] for one in found]).mean() for name in found[0].losses}
        vectors, codes = torch.cat([one.vectors for one in found], 2), torch.cat([one.codes for one in found], 1)
        return Quantised(vectors, codes, losses, torch.stack([one.usage for one in found]))
