"""Use of latents by their decoder: BLEU with the predicted ones, those of the reference, and those of another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.text.data.batches import STEP, fill
from vqspeech.text.models import LatentTranslator

BATCH = 64
"""Sentences at once."""


@dataclass(frozen=True)
class LatentUse:
    """What a decoder writes given latents of the references.

    Attributes:
        own: Translations given the latents of the reference, and its length.
        others: Those given the latents of another reference of similar length, and the right length.
        counts: How often each code is chosen, int64 `(codebooks, codes)`.
        bits: Of all latents of a reference under the predictor, float64 `(sentences,)`.
        right: Latents that the predictor chooses as the reference has them, in all their parts, given those before.
        latents: Number of latents of the references.
    """

    own: list[str]
    others: list[str]
    counts: np.ndarray
    bits: np.ndarray
    right: int
    latents: int


@torch.inference_mode()
def measure_latents(model: LatentTranslator, sources: Sequence[str], references: Sequence[str]) -> LatentUse:
    """Measure the use of latents on sentences and their reference translations."""
    pieces = [(model.check_line(one), model.check_line(other)) for one, other in zip(sources, references, strict=True)]
    order = sorted(range(len(pieces)), key=lambda i: len(pieces[i][1]))
    own, others, bits = [""] * len(pieces), [""] * len(pieces), np.zeros(len(pieces))
    counts = torch.zeros(model.sizes.codebooks, model.codes, dtype=torch.int64)
    right = latents = 0
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        source, target = (_fill([pieces[i][side] for i in part]).to(model.device) for side in (0, 1))
        context, lengths = model.encode_source(source), (target != 0).sum(1)
        codes, mask = model.encode_target(target, context)
        for texts, given in ((own, codes), (others, codes.roll(1, 0))):
            x = model.write(lengths, target.shape[1], context, model.condition_on(given))
            found = model.read_pieces(model.logits(x), lengths)
            for i, text in zip(part, model.pieces.decode(found), strict=True):
                texts[i] = text
        logits = model.predictor(codes, lengths, context, model.positions).float()
        nats = -logits.log_softmax(3).gather(3, codes[..., None])[..., 0].sum(2)
        bits[part] = ((nats * mask).sum(1) / np.log(2)).cpu().numpy()
        right += int(((logits.argmax(3) == codes).all(2) & mask).sum())
        latents += int(mask.sum())
        counts += torch.stack([one[mask].bincount(minlength=model.codes) for one in codes.unbind(2)]).cpu()
    return LatentUse(own, others, counts.numpy(), bits, right, latents)


def _fill(pieces: Sequence[Sequence[int]]) -> Tensor:
    return fill(pieces, -(-max(map(len, pieces)) // STEP) * STEP).long()
