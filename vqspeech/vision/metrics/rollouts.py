"""Statistics of long rollouts: whether imagined frames stay like real ones far from the last given frame."""

from collections.abc import Sequence

import numpy as np

from vqspeech.metrics.measures.bootstrap import estimate_ratio, estimate_statistic
from vqspeech.vision.models import CodeModel


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two histograms in bits, from 0 (equal) to 1 (disjoint)."""
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum() for one in (p, q)]
    return float(sum(parts) / 2)


def count_codes(codes: np.ndarray, size: int) -> np.ndarray:
    """Count each code in clips `(clips, …)`: int64 `(clips, size)`."""
    return np.stack([np.bincount(one.ravel(), minlength=size) for one in codes])


def reencoded_share(model: CodeModel, codes: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the share of codes that survive decoding and encoding, for each frame: float64 `(n,)`.

    Frames unlike those the model was trained on are encoded to other codes.

    Args:
        model: The model.
        codes: `(n, height, width)`.
        pixels: The frames decoded from them, uint8 `(n, channels, height, width)`.
    """
    import torch

    found = torch.cat([model.encode(part).cpu() for part in torch.from_numpy(pixels).split(64)]).numpy()
    return (found == codes).reshape(len(codes), -1).mean(1)


def summarise_rollouts(
    name: str, clips: np.ndarray, pixels: np.ndarray, real: np.ndarray, model: CodeModel, groups: Sequence
) -> dict:
    """Return a row of the table: divergence from real codes, changes between frames, re-encoded codes, contrast.

    Args:
        name: Name of the row.
        clips: Codes `(clips, frames, height, width)`.
        pixels: The frames decoded from them, uint8 `(clips, frames, channels, height, width)`.
        real: Codes of real frames `(frames, height, width)`.
        model: The model.
        groups: Episodes of the clips, for the intervals.
    """
    size = model.codes
    world, own = np.bincount(real.ravel(), minlength=size), count_codes(clips, size)
    moves = (clips[:, 1:] != clips[:, :-1]).reshape(len(clips), -1).mean(1)
    flat = pixels.reshape(-1, *pixels.shape[2:])
    found = reencoded_share(model, clips.reshape(-1, *clips.shape[2:]), flat).reshape(clips.shape[:2]).mean(1)
    detail = pixels.astype(np.float32).std((-2, -1)).mean((1, 2))
    return {
        "row": name,
        "divergence of codes, bits": estimate_statistic(
            lambda weights: jensen_shannon(weights @ own, world), len(clips), groups=[str(group) for group in groups]
        ),
        "codes that change": estimate_ratio(moves, groups=groups),
        "codes found again": estimate_ratio(found, groups=groups),
        "contrast": estimate_ratio(detail, groups=groups),
    }
