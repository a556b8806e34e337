"""Evaluation on held-out windows in the course of training: losses, and the three numbers that show a collapse."""

from operator import itemgetter

import torch
from torch import Tensor

from vqspeech.data.windows import Windows
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.models.vqvae import VQVAE


@torch.no_grad()
def evaluate_vqvae(model: VQVAE, windows: Windows, size: int, batches: int) -> dict[str, float]:
    """Measure a VQ-VAE on held-out windows.

    Args:
        model: The model.
        windows: The held-out windows.
        size: Windows of a batch.
        batches: Number of batches.

    Returns:
        Each loss by name; "decoder": the sum of those of the decoder; "perplexity" and "used" of the codes;
        "shuffle_gap": what the decoder loss gains from shuffled codes. A decoder that ignores its codes has a healthy
        perplexity and a gap of 0.
    """
    training = model.training
    model.eval()
    totals: dict[str, float] = {}
    counts = torch.zeros(model.quantizer.size)
    batch = windows.even(size * batches)
    for part in (slice(i * size, (i + 1) * size) for i in range(batches)):
        window = batch.each(itemgetter(part)).to(model.device)
        losses, codes, mask = model(window)
        decoder = model.decoder_loss(codes, mask, window)
        gap = model.decoder_loss(_shuffle_codes(codes, mask), mask, window) - decoder
        counts += codes[mask].bincount(minlength=len(counts)).cpu()
        for name, value in {**losses, "decoder": decoder, "shuffle_gap": gap}.items():
            totals[name] = totals.get(name, 0.0) + float(value) / batches
    model.train(training)
    return totals | {"perplexity": perplexity(counts.numpy()), "used": float(count_used(counts.numpy()))}


def _shuffle_codes(codes: Tensor, mask: Tensor) -> Tensor:
    """Return the valid codes of a batch in random order, the same at every call."""
    shuffled, generator = codes.clone(), torch.Generator().manual_seed(0)
    valid = codes[mask]
    shuffled[mask] = valid[torch.randperm(len(valid), generator=generator).to(valid.device)]
    return shuffled
