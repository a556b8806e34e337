"""Predictions of a video prior by horizon: bits and codes, compared with baselines.

The horizon of a frame is its distance from the last given frame. A frame is predicted from the given frames and all
actions before it; the frames between are imagined. Its bits, -log2 p(frame | given, imagined), are in expectation an
upper bound of those of p(frame | given), the mean over all imaginations (Jensen's inequality).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.metrics.measures.bootstrap import Estimate, estimate_ratio
from vqspeech.vision.data.clips import ClipBatch
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import draw_uniforms
from vqspeech.vision.models.video import VideoPrior

HORIZONS = (1, 2, 3, 5, 10)
"""Horizons with a column."""
BATCH = 32
"""Clips that are predicted at once."""


@dataclass(frozen=True)
class Prediction:
    """Prediction of clips.

    Attributes:
        codes: Imagined frames, int64 `(clips, frames, height, width)`.
        bits: Bits of the true codes, float64 of that shape.
    """

    codes: Tensor
    bits: np.ndarray


@torch.inference_mode()
def predict_clips(
    prior: VideoPrior, clips: ClipBatch, given: int, seed: int = 0, temperature: float = 1.0
) -> Prediction:
    """Predict clips from their first `given` frames and their actions."""
    count, frames = len(clips.codes), clips.codes.shape[1] - given
    numbers = draw_uniforms(count, (frames, *prior.shape), seed)
    codes, bits = torch.empty(numbers.shape, dtype=torch.long), np.empty(numbers.shape)
    for start in tqdm(range(0, count, BATCH), "imagining", disable=None, leave=False):
        part = slice(start, start + BATCH)
        one = clips.each(lambda tensor, part=part: tensor[part]).to(prior.device)
        past, condition = prior.network.prime(one.codes[:, :given], one.actions[:, :given])
        for i in range(frames):
            bits[part, i] = prior.frame_bits(one.codes[:, given + i], condition)
            drawn = prior.network.draw(numbers[part, i].to(prior.device), condition, temperature, 1.0)
            codes[part, i] = drawn.cpu()
            condition = past(drawn, one.actions[:, given + i])
    return Prediction(codes, bits)


class Unigram:
    """Unigram of every place: float64 `(size, height, width)`.

    Args:
        codes: Codes that are counted.
        backing: Weight in frames of the unigram over all places.
    """

    def __init__(self, codes: ImageCodes, backing: float = 10.0):
        frames, height, width = codes.codes.shape
        every = np.bincount(codes.codes.ravel(), minlength=codes.size) + 1.0
        places = np.arange(height * width)
        counts = np.zeros((codes.size, height * width))
        for one in codes.codes:
            counts[one.ravel(), places] += 1
        self.odds = (counts + backing * (every / every.sum())[:, None]) / (frames + backing)
        self.odds = self.odds.reshape(codes.size, height, width)

    @property
    def likeliest(self) -> np.ndarray:
        """The most frequent code of every place, `(height, width)`."""
        return self.odds.argmax(0)

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """Return p of codes `(…, height, width)`: float64 of that shape."""
        rows, columns = np.indices(codes.shape[-2:])
        return self.odds[codes, rows, columns]


class Copying:
    """Baseline that copies each code of the last given frame with some probability, or draws from the unigram.

    The probabilities, one for each horizon, are fitted to training `clips` by expectation-maximisation.
    """

    def __init__(self, unigram: Unigram, clips: Tensor, given: int):
        self.unigram = unigram
        same, other = _kept(clips.numpy(), given), unigram.probabilities(clips.numpy()[:, given:])
        self.shares = np.full(same.shape[1], 0.5)
        for _ in range(100):
            copied = self.shares[:, None, None] * same
            responsible = copied / (copied + (1 - self.shares)[:, None, None] * other)
            self.shares = responsible.mean((0, 2, 3))

    def bits(self, clips: Tensor, given: int) -> np.ndarray:
        """Return -log2 p of the codes after the given frames: float64 `(clips, frames, height, width)`."""
        codes = clips.numpy()
        shares = self.shares[:, None, None]
        return -np.log2(shares * _kept(codes, given) + (1 - shares) * self.unigram.probabilities(codes[:, given:]))


def tabulate_horizons(
    bits: dict[str, np.ndarray], groups: Sequence[str], horizons: Sequence[int], prefix: str = "horizon"
) -> list[dict]:
    """Tabulate measurements by horizon, and their mean over all horizons.

    Args:
        bits: Measurements `(clips, frames, …)` by row.
        groups: Episodes of the clips, which intervals resample.
        horizons: Horizons with a column.
        prefix: Start of the names of the columns.
    """
    table = []
    for name, found in bits.items():
        flat = found.reshape(*found.shape[:2], -1).mean(2)
        row = {f"{prefix} {h}": estimate_ratio(flat[:, h - 1], groups=groups) for h in horizons if h <= flat.shape[1]}
        table.append({"row": name, **row, f"all {flat.shape[1]}": estimate_ratio(flat.mean(1), groups=groups)})
    return table


def transform_estimates(table: Sequence[dict], function: Callable[[float], float]) -> list[dict]:
    """Apply a decreasing function, such as squared error to PSNR, to all estimates of a table."""
    return [
        {key: _sent(one, function) if isinstance(one, Estimate) else one for key, one in row.items()} for row in table
    ]


def psnr_from_error(error: float) -> float:
    """Convert a mean squared error of 8-bit images to PSNR in dB; 99 for 0."""
    return min(99.0, float(10 * np.log10(255.0**2 / error))) if error > 0 else 99.0


def square_errors(originals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean squared error of images uint8 `(…, channels, height, width)`: float64 `(…,)`."""
    return ((originals.astype(np.float32) - others.astype(np.float32)) ** 2).mean((-3, -2, -1), dtype=np.float64)


def _kept(codes: np.ndarray, given: int) -> np.ndarray:
    """Return where frames after the given ones have the code of the last given frame: float64 0 or 1."""
    return (codes[:, given:] == codes[:, given - 1 : given]).astype(np.float64)


def _sent(one: Estimate, function: Callable[[float], float]) -> Estimate:
    return Estimate(function(one.value), function(one.high), function(one.low), one.n)
