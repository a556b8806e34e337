"""Bits a code of held-out images under a prior, compared with uniform and unigrams."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vqspeech.metrics.measures.bootstrap import Group, estimate_ratio
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.metrics.measures.unigram import unigram_bits
from vqspeech.vision.models.prior import ImagePrior

PRIOR, PLACES = "prior", "unigram of each place"
"""Rows of the table."""
STRENGTHS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 1e6)
"""Candidate strengths: codes of the overall unigram that are added to the counts of each place."""
HELD_OUT = 10
"""One in this many images chooses the strength if no others are given."""

Bits = dict[str, np.ndarray]
"""-log2 p of every code of every image, float64 `(n, height, width)`, by model."""


def choose_strength(train: ImageCodes, dev: ImageCodes | None = None) -> float:
    """Return the strength by which the unigram of each place takes the fewest bits on other images.

    Args:
        train: Codes that are counted.
        dev: Codes on which the strength is chosen; without any, a part of `train`, of other episodes where there are
            some, which is then not counted.
    """
    codes = np.asarray(train.codes)
    if dev is None:
        episodes = train.table.episodes
        _, group = np.unique(np.arange(len(codes)) if episodes is None else episodes, return_inverse=True)
        held = group % HELD_OUT == min(HELD_OUT, group.max() + 1) - 1
        counted, other = (codes[~held], codes[held]) if not held.all() else (codes, codes)
    else:
        counted, other = codes, np.asarray(select_even(dev, 1000).codes)
    return min(STRENGTHS, key=lambda strength: unigram_bits(other, counted, train.size, strength).sum())


def compute_bits(prior: ImagePrior, codes: ImageCodes, train: ImageCodes | None = None, strength: float = 16.0) -> Bits:
    """Compute the bits of the codes of each image: uniform, unigrams, prior.

    Args:
        prior: The prior; with classes, it is scored with the true class and without.
        codes: The images.
        train: Codes that the unigrams are counted in; None leaves the unigrams out.
        strength: Strength of the unigram of each place.
    """
    some = np.asarray(codes.codes)
    found = {"uniform": np.full(some.shape, np.log2(codes.size))}
    if train is not None:
        for name, one in (("unigram", None), (PLACES, strength)):
            found[name] = unigram_bits(some, np.asarray(train.codes), codes.size, one)
    nobody = np.zeros(len(some), np.int64)
    if prior.classes:
        found[PRIOR] = prior.bits(some, codes.table.labels + 1)
    found[f"{PRIOR}, class not told" if prior.classes else PRIOR] = prior.bits(some, nobody)
    return found


def tabulate_bits(held: Bits, learned: Bits, groups: Sequence[Group] | None) -> list[dict]:
    """Tabulate bits a code and an image with intervals, the gap to training images, and the difference to the unigram.

    Args:
        held: Bits of held-out images.
        learned: Bits of training images.
        groups: What intervals resample, such as episodes; None for images.
    """
    table = []
    for name, bits in held.items():
        row = _row(name, bits, groups)
        if name in learned:
            row |= {"bits/code, learned from": learned[name].mean(), "gap": bits.mean() - learned[name].mean()}
        table.append(row)
    if PLACES in held:
        table.append(_row(f"saved by the prior beside the {PLACES}", held[PLACES] - held[PRIOR], groups))
    return table


def select_even(codes: ImageCodes, count: int) -> ImageCodes:
    """Select at most `count` images, evenly spaced."""
    picks = np.linspace(0, len(codes) - 1, min(count, len(codes))).astype(np.int64)
    return replace(codes, codes=np.asarray(codes.codes[picks]), table=codes.table.select(picks))


def _row(name: str, bits: np.ndarray, groups: Sequence[Group] | None) -> dict:
    whole = estimate_ratio(bits.reshape(len(bits), -1).sum(1), groups=groups)
    a_code = 1 / bits[0].size
    code = replace(whole, value=whole.value * a_code, low=whole.low * a_code, high=whole.high * a_code)
    return {"row": name, "bits/code, held out": code, "bits/image, held out": whole}
