"""Conditioning of all layers, computed when it is read: for a long sound it would not fit into memory."""

import torch
from torch import Tensor

BLOCK = 64
"""Latents projected at once: always as many, so that results are the same bits whichever latents are read."""


class ProjectedConditioning:
    """weight · features + bias, read like a tensor `(batch, channels, latents)`: `conditioning[:, :, a:b]`.

    The conditioning of a stream does not depend on the other streams of the batch, to the last bit.

    Args:
        features: `(batch, dimension, latents)`.
        weight: `(channels, dimension)`.
        bias: `(channels,)`.
    """

    def __init__(self, features: Tensor, weight: Tensor, bias: Tensor):
        self._features, self._weight, self._bias = features, weight, bias
        self.shape = torch.Size((features.shape[0], weight.shape[0], features.shape[2]))
        self.device = features.device

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Tensor:
        """Return the conditioning `(batch, channels, until - first)`; the first two slices are ignored."""
        first, until, _ = index[2].indices(self.shape[2])
        start = first // BLOCK * BLOCK
        blocks = []
        for at in range(start, until, BLOCK):
            part = self._features[:, :, at : at + BLOCK]
            block = self._features.new_zeros(*part.shape[:2], BLOCK)
            block[:, :, : part.shape[2]] = part
            blocks.append(torch.stack([torch.addmm(self._bias[:, None], self._weight, one) for one in block]))
        return torch.cat(blocks, 2)[:, :, first - start : until - start]
