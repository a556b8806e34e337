"""Collective operations of the processes of one training; a single process keeps its own values."""

import torch
from torch import Tensor
from torch import distributed as dist


def sum_over_processes(x: Tensor) -> Tensor:
    """Return `x` summed over all processes, in place."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(x)
    return x


def broadcast_first(x: Tensor) -> Tensor:
    """Return the first process's `x` in every process, in place."""
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(x, 0)
    return x


def gather_rows(x: Tensor) -> Tensor:
    """Return the rows `(rows, …)` of all processes, one process after the other; each may have another number."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    counts = torch.zeros(dist.get_world_size(), dtype=torch.int64, device=x.device)
    counts[dist.get_rank()] = len(x)
    numbers = sum_over_processes(counts).tolist()
    padded = torch.zeros(max(numbers), *x.shape[1:], dtype=x.dtype, device=x.device)
    padded[: len(x)] = x
    found = [torch.empty_like(padded) for _ in numbers]
    dist.all_gather(found, padded)
    return torch.cat([one[:number] for one, number in zip(found, numbers, strict=True)])
