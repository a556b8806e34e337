"""Sampling in PyTorch with a ring buffer per layer: a step costs one pass over the weights, however long the past."""

import torch
from torch import Tensor

from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import BLOCK, ProjectedConditioning
from vqspeech.progress import track


def sample_classes(
    cell: Cell,
    conditioning: Tensor | ProjectedConditioning,
    uniforms: Tensor,
    *,
    temperature: float,
    top_p: float,
    given: Tensor,
    logits: Tensor | None,
    progress: bool,
) -> Tensor:
    """Sample classes, int64 `(batch, time)`; the arguments are those of an `Engine`."""
    batch, steps = uniforms.shape
    hold = steps // conditioning.shape[2]
    layers, width = len(cell.dilations), cell.width
    device = conditioning.device
    rings = [torch.zeros(dilation, batch, width, device=device) for dilation in cell.dilations]
    activations = torch.empty(batch, layers, width, device=device)
    past_and_present = torch.empty(batch, 2 * width, device=device)
    drawn = torch.full((batch,), cell.start, dtype=torch.long, device=device)
    classes = torch.empty(batch, steps, dtype=torch.long, device=device)
    for step in track(range(steps), "sampling", "step", shown=progress):
        if step % (BLOCK * hold) == 0:
            part = conditioning[:, :, step // hold : step // hold + BLOCK].reshape(batch, layers, 2 * width, -1)
            held = part.permute(3, 1, 0, 2) + cell.gated_bias[:, None]  # (latents, layers, batch, 2 * residual)
        conditions = held[step // hold % BLOCK]
        x = cell.embedding[drawn]
        for layer, ring in enumerate(rings):
            slot = step % len(ring)
            past_and_present[:, :width] = ring[slot]
            past_and_present[:, width:] = x
            ring[slot] = x
            z = torch.addmm(conditions[layer], past_and_present, cell.gated[layer])
            h = torch.mul(z[:, :width].tanh(), z[:, width:].sigmoid(), out=activations[:, layer])
            if layer < layers - 1:
                weight, bias = cell.residual[layer]
                x = torch.addmm(x, h, weight).add_(bias)
        found = _logits(cell, activations.view(batch, -1))
        if logits is not None:
            logits[:, step] = found
        if step < given.shape[1]:
            drawn = given[:, step]
        else:
            drawn = draw_classes(found, uniforms[:, step], temperature, top_p)
        classes[:, step] = drawn
    return classes


def draw_classes(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Draw classes `(batch,)` from logits `(batch, classes)` by uniforms `(batch,)`, as `generate` describes."""
    if temperature == 0:
        return logits.argmax(1)
    probabilities = (logits / temperature).softmax(1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=1, descending=True, stable=True)
        before = ordered.cumsum(1) - ordered
        outside = torch.empty_like(order, dtype=torch.bool).scatter_(1, order, before >= top_p)
        probabilities = probabilities.masked_fill(outside, 0.0)
    cumulative = probabilities.cumsum(1)
    total = cumulative[:, -1:].contiguous()
    last = torch.searchsorted(cumulative, total)  # uniform * total may be rounded up to total
    return torch.searchsorted(cumulative, uniform[:, None] * total, right=True).minimum(last)[:, 0]


def _logits(cell: Cell, activations: Tensor) -> Tensor:
    x = activations
    for i, (weight, bias) in enumerate(cell.output):
        x = torch.addmm(bias, x.relu() if i else x, weight)
    return x
