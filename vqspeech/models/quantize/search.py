"""Nearest neighbours in a codebook, in blocks: memory does not grow with vectors times codes.

‖z − e‖² is least where ‖e‖² − 2 z·e is: one product of matrices a block. All of it is float32, under autocast too.
"""

from collections.abc import Callable

import torch
from torch import Tensor

CPU_BLOCK, BLOCK = 2**21, 2**24
"""Distances that are held at once: 8 MiB, and 64 MiB of a device that is no CPU. In smaller blocks the threads of a
busy machine wait for each other more often than they work."""


@torch.no_grad()
def nearest(vectors: Tensor, weight: Tensor) -> Tensor:
    """Return the nearest code of each vector (1711.00937, eq. 1), the first of equally near ones.

    Args:
        vectors: `(vectors, dimension)`.
        weight: Code vectors `(codes, dimension)`.

    Returns:
        int64 `(vectors,)`.
    """
    found = torch.empty(len(vectors), dtype=torch.long, device=vectors.device)

    def keep(part: slice, distances: Tensor) -> None:
        found[part] = argmin_rows(distances)

    for_each_block(vectors, weight, keep)
    return found


@torch.no_grad()
def for_each_block(vectors: Tensor, weight: Tensor, use: Callable[[slice, Tensor], None]) -> None:
    """Call `use` with each block of rows of `vectors` and their squared distances `(rows, codes)` to all codes.

    ‖z‖² is left out, as it is the same for all codes. The next block overwrites the distances.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        vectors, weight = vectors.detach().float(), weight.detach().float()
        rows = max(1, (CPU_BLOCK if vectors.device.type == "cpu" else BLOCK) // len(weight))
        norms, codes = weight.square().sum(1), weight.T
        held = norms.new_empty(min(rows, len(vectors)), len(weight))
        for start in range(0, len(vectors), rows):
            part = slice(start, min(start + rows, len(vectors)))
            block = held[: part.stop - start]
            use(part, torch.addmm(norms, vectors[part], codes, alpha=-2, out=block))


def argmin_rows(distances: Tensor) -> Tensor:
    """Return the index of the least of each row: `(rows, codes)` → int64 `(rows,)`."""
    if distances.device.type == "cpu":  # torch has no vector instructions for it, numpy has
        return torch.from_numpy(distances.numpy().argmin(1))
    return distances.argmin(1)
