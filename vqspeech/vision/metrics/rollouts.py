"""Whether what is imagined stays like the world, however long: the statistics of frames far from the last real one."""

from collections.abc import Sequence

import numpy as np

from vqspeech.metrics.measures.bootstrap import estimate_ratio, estimate_statistic
from vqspeech.vision.models import CodeModel


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits of two distributions given as counts: 0 where they are alike, 1 where they
    share nothing."""
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum() for one in (p, q)]
    return float(sum(parts) / 2)


def count_codes(codes: np.ndarray, size: int) -> np.ndarray:
    """How often each code stands in clips `(clips, …)`: int64 `(clips, size)`."""
    return np.stack([np.bincount(one.ravel(), minlength=size) for one in codes])


def reencoded_share(model: CodeModel, codes: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The share of the codes of frames `(n, height, width)` that are found again by encoding them as decoded, `pixels`
    uint8 `(n, channels, height, width)`: float64 `(n,)`. Frames that the model never learned to make come back as
    others."""
    import torch

    found = torch.cat([model.encode(part).cpu() for part in torch.from_numpy(pixels).split(64)]).numpy()
    return (found == codes).reshape(len(codes), -1).mean(1)


def summarise_rollouts(
    name: str, clips: np.ndarray, pixels: np.ndarray, real: np.ndarray, model: CodeModel, groups: Sequence
) -> dict:
    """A row of the table of clips of codes `(clips, frames, height, width)`, decoded as `pixels`, beside `real` ones
    `(frames, height, width)`: how far their codes are from those of real frames, how many change from frame to frame,
    how many are found again, how much detail there is."""
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
