"""Collective operations of the processes of one training; a single process keeps its own values."""

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
