"""Sampling with a ring buffer a layer, so that a step costs one pass over the weights, whatever came before."""

import sys
import time

import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.generate.cell import Cell


@torch.inference_mode()
def generate(
    cell: Cell, conditioning: Tensor, uniforms: Tensor, temperature: float = 1.0, progress: bool = True
) -> Tensor:
    """Classes drawn one by one: int64 `(batch, time)`.

    conditioning `(batch, layers * 2 * residual, latents)` holds for time / latents steps each; uniforms `(batch, time)`
    in [0, 1) choose the class by the inverse of its cumulative distribution at `temperature` (0: the likeliest). The
    buffers start empty (zero) at every call. Raises `ValueError` where time is no multiple of latents.
    """
    batch, steps = uniforms.shape
    if steps % conditioning.shape[2]:
        raise ValueError(f"{steps} steps for {conditioning.shape[2]} latents: not a multiple")
    hold = steps // conditioning.shape[2]
    layers, width = len(cell.dilations), cell.embedding.shape[1]
    device = conditioning.device
    # (latents, layers, batch, 2 * residual), the bias of the gated convolution added once for all steps.
    held = conditioning.view(batch, layers, 2 * width, -1).permute(3, 1, 0, 2) + cell.gated_bias[:, None]
    rings = [torch.zeros(dilation, batch, width, device=device) for dilation in cell.dilations]
    activations = torch.empty(batch, layers, width, device=device)
    past_and_present = torch.empty(batch, 2 * width, device=device)
    drawn = torch.full((batch,), cell.start, dtype=torch.long, device=device)
    classes = torch.empty(batch, steps, dtype=torch.long, device=device)
    started = time.perf_counter()
    for step in tqdm(range(steps), "sampling", unit="step", disable=None if progress else True, leave=False):
        conditions = held[step // hold]
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
        drawn = _drawn(_logits(cell, activations.view(batch, -1)), uniforms[:, step], temperature)
        classes[:, step] = drawn
    if progress:
        rate = batch * steps / (time.perf_counter() - started)
        print(f"sampled {batch} x {steps} steps at {rate:,.0f} samples/s", file=sys.stderr)
    return classes


def _logits(cell: Cell, activations: Tensor) -> Tensor:
    x = activations
    for i, (weight, bias) in enumerate(cell.output):
        x = torch.addmm(bias, x.relu() if i else x, weight)
    return x


def _drawn(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return logits.argmax(1)
    cumulative = (logits / temperature).softmax(1).cumsum(1)
    return torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)[:, 0].clamp_(
        max=logits.shape[1] - 1
    )
