"""The base of batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vqspeech.data.batches import Batch


@dataclass
class Pair(Batch):
    first: Tensor
    second: Tensor | None


def test_each_applies_to_every_tensor_and_keeps_what_is_none():
    batch = Pair(torch.arange(3), None)
    doubled = batch.each(lambda tensor: 2 * tensor)
    assert type(doubled) is Pair and doubled.first.tolist() == [0, 2, 4] and doubled.second is None
    assert batch.first.tolist() == [0, 1, 2], "the batch itself stays as it is"


def test_to_a_device():
    moved = Pair(torch.zeros(2), torch.ones(2)).to("meta")
    assert moved.first.device.type == "meta" and moved.second is not None and moved.second.device.type == "meta"
