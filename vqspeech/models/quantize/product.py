"""Product quantisation: a codebook for each part of a vector (Jégou, Douze and Schmid 2011)."""

import torch
from torch import Tensor

from vqspeech.models.quantize.codebook import Quantised
from vqspeech.models.quantize.separate import Codebooks


class ProductCodebook(Codebooks):
    """Codebooks for the parts of a vector, of equal dimension. Codes are of one more axis, the part."""

    def nearest(self, flat: Tensor) -> Tensor:
        """Return the nearest codes of vectors: `(vectors, dimension)` → int64 `(vectors, parts)`."""
        parts = zip(self.books, flat.chunk(len(self.books), 1), strict=True)
        return torch.stack([book.nearest(one) for book, one in parts], 1)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return vectors of codes: int `(batch, time, parts)` → float32 `(batch, dimension, time)`."""
        return torch.cat([book.lookup(one) for book, one in zip(self.books, codes.unbind(2), strict=True)], 1)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """Quantise z `(batch, dimension, time)` as `Codebook.forward`.

        Codes are `(batch, time, parts)`, losses means over the parts, usage `(parts, codes)`.
        """
        found = [book(one, mask) for book, one in zip(self.books, z.chunk(len(self.books), 1), strict=True)]
        losses = {name: torch.stack([one.losses[name] for one in found]).mean() for name in found[0].losses}
        vectors, codes = torch.cat([one.vectors for one in found], 1), torch.stack([one.codes for one in found], 2)
        return Quantised(vectors, codes, losses, torch.stack([one.usage for one in found]))
