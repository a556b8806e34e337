"""Utterances made up for the tests of unit measures."""

from collections.abc import Sequence

import numpy as np

from vqspeech.data.alignment import Interval, label_frames
from vqspeech.data.phones import PHONES
from vqspeech.metrics.aligned import Aligned, find_segments


def spoken(
    name: str, speaker: str, codes: Sequence[int], phones: Sequence[tuple[str, float]], rate: float = 10.0
) -> Aligned:
    """An utterance with these codes, and with phones of these durations in seconds, one after the other."""
    edges = np.cumsum([0.0, *(seconds for _, seconds in phones)]).tolist()
    intervals = [Interval(edges[i], edges[i + 1], label) for i, (label, _) in enumerate(phones)]
    frames = label_frames(intervals, len(codes), rate)
    return Aligned(name, speaker, rate, np.array(codes, dtype=np.int64), frames, find_segments(intervals))


def sentence(
    name: str, speaker: str, phones: Sequence[int], seed: int, size: int, noise: float, shortest: int = 2
) -> Aligned:
    """Phones of `shortest` frames or one more, at 10 Hz, whose codes are the phones, each frame replaced by chance with
    odds `noise`."""
    random = np.random.default_rng(seed)
    lengths = random.integers(shortest, shortest + 2, len(phones))
    codes = np.repeat(phones, lengths) % size
    codes = np.where(random.random(len(codes)) < noise, random.integers(0, size, len(codes)), codes)
    return spoken(
        name, speaker, codes.tolist(), [(PHONES[p], n / 10) for p, n in zip(phones, lengths.tolist(), strict=True)]
    )
