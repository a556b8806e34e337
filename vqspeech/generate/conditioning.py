"""What a network is told, at its own rate; computed where it is read, since for all layers it is wider than sound."""

import torch
from torch import Tensor

BLOCK = 64
"""Latents that are projected at once: always as many, so that their bits do not depend on who asks for which."""


class Projected:
    """weight · features + bias, read as if it were a tensor `(batch, channels, latents)`: `conditioning[:, :, a:b]`.

    features `(batch, dimension, latents)`, weight `(channels, dimension)`, bias `(channels,)`. A stream's conditioning
    does not depend on the streams beside it, to the last bit.
    """

    def __init__(self, features: Tensor, weight: Tensor, bias: Tensor):
        self._features, self._weight, self._bias = features, weight, bias
        self.shape = torch.Size((features.shape[0], weight.shape[0], features.shape[2]))
        self.device = features.device

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Tensor:
        """The conditioning `(batch, channels, until - first)` of latents: all of the first two indices."""
        first, until, _ = index[2].indices(self.shape[2])
        start = first // BLOCK * BLOCK
        blocks = []
        for at in range(start, until, BLOCK):
            part = self._features[:, :, at : at + BLOCK]
            block = self._features.new_zeros(*part.shape[:2], BLOCK)
            block[:, :, : part.shape[2]] = part
            blocks.append(torch.stack([torch.addmm(self._bias[:, None], self._weight, one) for one in block]))
        return torch.cat(blocks, 2)[:, :, first - start : until - start]
