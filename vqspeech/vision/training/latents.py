"""Use of latents by a decoder that could ignore them: bits of maps given the right latents, wrong ones, none."""

from operator import itemgetter

import torch
from torch import Tensor

from vqspeech.vision.data.code_batches import CodeBatch
from vqspeech.vision.models.top import TopVQVAE

OWN, OTHERS, NONE = "its own latents", "those of another image", "no latents"
"""Latents that a map is decoded from."""


@torch.no_grad()
def measure_bits(
    model: TopVQVAE, batch: CodeBatch, size: int, one_by_one: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """Measure the bits of each whole map given its own latents, those of another map, and none.

    Args:
        model: The model.
        batch: The maps.
        size: Maps at once.
        one_by_one: Also replace each latent alone by that of another map.

    Returns:
        Bits float64 `(maps,)` by latents, and counts of the codes of each latent, int64 `(latents, codes)`.
    """
    training = model.training
    model.eval()
    parts = [
        batch.each(itemgetter(slice(i, i + size))).codes.to(model.device) for i in range(0, len(batch.codes), size)
    ]
    own = torch.cat([model.summarise(part) for part in parts])  # (maps, latents)
    others = own.roll(len(own) // 2, 0)
    told: dict[str, Tensor | None] = {OWN: own, OTHERS: others, NONE: None}
    for i in range(own.shape[1] if one_by_one else 0):
        told[f"its own latents, but the {_ORDINALS[i]} of another image"] = own.index_copy(
            1, torch.tensor([i], device=own.device), others[:, i : i + 1]
        )
    bits = {}
    for name, latents in told.items():
        split = [None] * len(parts) if latents is None else latents.split(size)
        bits[name] = torch.cat([model.bits(part, some).cpu() for part, some in zip(parts, split, strict=True)])
    model.train(training)
    return bits, torch.stack([one.bincount(minlength=model.size) for one in own.T]).cpu()


_ORDINALS = ("first", "second", "third", *(f"{i}th" for i in range(4, 100)))
