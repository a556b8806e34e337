"""Figures printed in a paper, compared with the differences between the same rows of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vqspeech.metrics.reports.markdown import format_number
from vqspeech.studies.findings import AGREES, DISAGREES, UNDECIDED, format_difference
from vqspeech.studies.runs import mean_over_seeds
from vqspeech.studies.toy import AUTHORS

NSVQ_IMAGES: Mapping[str, Mapping[str, Sequence[float]]] = {
    "psnr": {
        "gradient, never": (23.15, 23.50, 23.68, 23.70, 23.74, 23.67),
        "EMA, never": (23.03, 23.47, 23.88, 23.96, 24.28, 24.26),
        "NSVQ, never": (22.86, 23.34, 23.67, 23.78, 24.03, 24.02),
        AUTHORS: (22.95, 23.57, 24.16, 24.60, 24.96, 25.22),
    },
    "ssim": {
        "gradient, never": (0.7794, 0.7982, 0.8098, 0.8114, 0.8120, 0.8081),
        "EMA, never": (0.7766, 0.8027, 0.8220, 0.8295, 0.8434, 0.8437),
        "NSVQ, never": (0.7694, 0.7910, 0.8036, 0.8085, 0.8189, 0.8186),
        AUTHORS: (0.7742, 0.7985, 0.8222, 0.8396, 0.8542, 0.8647),
    },
}
"""PSNR (dB) and SSIM of VQ-VAEs of CIFAR-10 at `NSVQ_BITS`, by the names of our rows.

Source: Vali and Bäckström 2022, figure 3, whose means github.com/MHVali/Noise-Substitution-in-Vector-Quantization lists
below results/. Their STE is our gradient; where codes are replaced, it is by NSVQ's own method."""
NSVQ_BITS = (6, 7, 8, 9, 10, 11)
PAIRS = (
    (AUTHORS, "gradient, never"),
    (AUTHORS, "EMA, never"),
    (AUTHORS, "NSVQ, never"),
    ("NSVQ, never", "gradient, never"),
    ("NSVQ, never", "EMA, never"),
    ("EMA, never", "gradient, never"),
)
"""Pairs of rows that are compared: first minus second."""


def compare_difference(first: Sequence[float], second: Sequence[float], published: float) -> str:
    """Compare our differences first - second, one per seed, with the `published` one.

    Returns:
        The verdict and both differences as text: agrees where the 95 % interval of the mean lies wholly on the
        published side of 0, disagrees where it lies wholly on the other, else undecided.
    """
    difference = mean_over_seeds(np.asarray(first, np.float64) - np.asarray(second, np.float64))
    ends = np.sign(published) * np.array([difference.low, difference.high])
    verdict = AGREES if (ends > 0).all() else DISAGREES if (ends < 0).all() else UNDECIDED
    sign = "+" if published > 0 else ""
    return f"{verdict}: {format_difference(difference)}, published {sign}{format_number(published)}"


def tabulate_comparison(figure: str, ours: Mapping[int, Mapping[str, Sequence[float]]]) -> list[dict[str, Any]]:
    """Return the rows for scores.json, one per pair.

    Args:
        figure: "psnr" or "ssim".
        ours: By bits and by row, one figure per seed. Bits that the paper does not have are left out.
    """
    printed = NSVQ_IMAGES[figure]
    places = {bits: NSVQ_BITS.index(bits) for bits in ours if bits in NSVQ_BITS}
    return [
        {"row": f"{first}: above {second}"}
        | {
            f"{bits} bits": compare_difference(
                ours[bits][first], ours[bits][second], printed[first][i] - printed[second][i]
            )
            for bits, i in places.items()
            if first in ours[bits] and second in ours[bits]
        }
        for first, second in PAIRS
    ]
