"""Sampling with a ring buffer a layer, so that a step costs one pass over the weights, whatever came before."""

import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import BLOCK, Projected


def sampled(
    cell: Cell,
    conditioning: Tensor | Projected,
    uniforms: Tensor,
    *,
    temperature: float,
    top_p: float,
    given: Tensor,
    logits: Tensor | None,
    progress: bool,
) -> Tensor:
    """Classes int64 `(batch, time)`; the arguments are those of an `Engine`."""
    batch, steps = uniforms.shape
    hold = steps // conditioning.shape[2]
    layers, width = len(cell.dilations), cell.width
    device = conditioning.device
    rings = [torch.zeros(dilation, batch, width, device=device) for dilation in cell.dilations]
    activations = torch.empty(batch, layers, width, device=device)
    past_and_present = torch.empty(batch, 2 * width, device=device)
    drawn = torch.full((batch,), cell.start, dtype=torch.long, device=device)
    classes = torch.empty(batch, steps, dtype=torch.long, device=device)
    for step in tqdm(range(steps), "sampling", unit="step", disable=None if progress else True, leave=False):
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
        drawn = given[:, step] if step < given.shape[1] else draw(found, uniforms[:, step], temperature, top_p)
        classes[:, step] = drawn
    return classes


def draw(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Classes `(batch,)` of logits `(batch, classes)` by uniforms `(batch,)`, as `generate` says."""
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
    last = torch.searchsorted(cumulative, total)  # a product that is rounded up to the total chooses no class beyond
    return torch.searchsorted(cumulative, uniform[:, None] * total, right=True).minimum(last)[:, 0]


def _logits(cell: Cell, activations: Tensor) -> Tensor:
    x = activations
    for i, (weight, bias) in enumerate(cell.output):
        x = torch.addmm(bias, x.relu() if i else x, weight)
    return x
