"""Connectionist temporal classification (Graves et al. 2006) in operations of fixed shapes.

`torch.nn.functional.ctc_loss` copies lengths to the host, so that no CUDA graph can hold it, and on a CPU its gradient
of all pieces at all places takes longest of all. Here only the pieces of the translation are looked at, and the
normalisation.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.text.data.vocabulary import PAD

_NEVER = -1e9
"""Log probability of what cannot be; finite, so that its gradient is 0 rather than undefined."""
_ELEMENTS = 1 << 19
"""Logits that are looked at together on a CPU, so that they stay in its cache."""


def measure_alignments(logits: Tensor, target: Tensor, places: Tensor, lengths: Tensor) -> Tensor:
    """Return −log of the probability of all ways to write each target, `PAD` standing for nothing, in nats `(batch,)`.

    α_t(s) = p_t(s) · (α_{t−1}(s) + α_{t−1}(s − 1) + α_{t−1}(s − 2)), where s runs over the pieces and the gaps between
    them, and the last term counts only for a piece that differs from the one before.

    Args:
        logits: `(batch, time, pieces)`.
        target: Int64 `(batch, width)`.
        places: Of each item that count, int `(batch,)`, 1 or more.
        lengths: Pieces of each item that count, int `(batch,)`, 1 or more.
    """
    gap = torch.full_like(target[:, :1], PAD)
    states = torch.cat([torch.stack([gap.expand_as(target), target], 2).flatten(1), gap], 1)  # gap, piece, gap, …, gap
    emitted: Tensor = _ChosenLogSoftmax.apply(logits, states)  # pyright: ignore[reportAssignmentType]
    skips = (states != PAD) & (states != F.pad(states, (2, 0), value=PAD)[:, :-2])
    barred = torch.where(skips, 0.0, _NEVER)
    starts = torch.arange(states.shape[1], device=target.device) < 2
    alpha = emitted[:, 0].masked_fill(~starts, _NEVER)
    steps = [alpha]
    for one in emitted.unbind(1)[1:]:
        before = F.pad(alpha, (2, 0), value=_NEVER)
        alpha = one + torch.stack([alpha, before[:, 1:-1], before[:, :-2] + barred]).logsumexp(0)
        steps.append(alpha)
    last = torch.stack(steps, 1).gather(1, (places - 1)[:, None, None].expand(-1, 1, states.shape[1]))[:, 0]
    return -last.gather(1, torch.stack([2 * lengths, 2 * lengths - 1], 1)).logsumexp(1)


class _ChosenLogSoftmax(torch.autograd.Function):
    """Log probabilities of chosen pieces, float32 `(batch, time, chosen)`.

    Of logits `(batch, time, pieces)` and pieces int64 `(batch, chosen)`.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, chosen: Tensor) -> Tensor:
        ctx.items = len(logits) if logits.is_cuda else max(1, _ELEMENTS // logits[0].numel())
        total = torch.cat([part.float().logsumexp(2, keepdim=True) for part in logits.split(ctx.items)])
        ctx.save_for_backward(logits, chosen, total)
        return logits.gather(2, chosen[:, None].expand(-1, logits.shape[1], -1)).float() - total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        logits, chosen, total = ctx.saved_tensors
        (grad,) = grads
        found = torch.empty_like(logits)
        parts = (one.split(ctx.items) for one in (found, logits, chosen, total, grad))
        for into, logit, pieces, norm, weight in zip(*parts, strict=True):
            part = (logit.float() - norm).exp_().mul_(-weight.sum(2, keepdim=True))
            into.copy_(part.scatter_add_(2, pieces[:, None].expand_as(weight), weight))
        return found, None
