"""How well a prior knows the codes of images: bits a code of held-out ones, beside what is known without one."""

import numpy as np

from vqspeech.metrics.bootstrap import Estimate, ratio
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import ImagePrior

PRIOR, PLACES = "prior", "unigram of each place"
"""Rows of the table."""


def unigram_bits(codes: np.ndarray, train: np.ndarray, size: int, places: bool) -> np.ndarray:
    """-log2 p of each code of maps `(n, height, width)` by how often it was in the maps `train`, anywhere, or with
    `places` at its place: float64 of that shape. Every code counts as seen once more than it was (places: 1 / size of
    the maps' share of that place is the whole set's unigram, so that no code is impossible)."""
    everywhere = np.bincount(np.ravel(train), minlength=size) + 1.0
    everywhere /= everywhere.sum()
    if not places:
        return -np.log2(everywhere)[codes]
    found = np.empty(codes.shape)
    for i, j in np.ndindex(codes.shape[1:]):
        counts = np.bincount(train[:, i, j], minlength=size) + STRENGTH * everywhere
        found[:, i, j] = -np.log2(counts / counts.sum())[codes[:, i, j]]
    return found


STRENGTH = 16.0
"""Codes drawn from the unigram of all places that each place's own counts are filled up with."""


def held_out_bits(prior: ImagePrior, codes: ImageCodes, train: ImageCodes | None = None) -> dict[str, np.ndarray]:
    """Bits of the codes of each image by model, float64 `(n, height, width)`: uniform, then unigrams where there is
    `train` to count, then the prior, told the class where it knows classes, and not told."""
    some = np.asarray(codes.codes)
    found = {"uniform": np.full(some.shape, np.log2(codes.size))}
    if train is not None:
        for name, places in (("unigram", False), (PLACES, True)):
            found[name] = unigram_bits(some, np.asarray(train.codes), codes.size, places)
    nobody = np.zeros(len(some), np.int64)
    if prior.classes:
        found[PRIOR] = prior.bits(some, codes.table.labels + 1)
    found[f"{PRIOR}, class not told" if prior.classes else PRIOR] = prior.bits(some, nobody)
    return found


def rows(held: dict[str, np.ndarray], learned: dict[str, np.ndarray], groups: list[str] | None) -> list[dict]:
    """The table: bits a code and an image with interval over images (over `groups` of them, such as episodes, whose
    frames depend on each other), bits a code of images that were `learned` from, and the gap between, what is known by
    heart; last, what the prior spares beside the unigram of each place, image by image."""
    table = []
    for name, bits in held.items():
        row: dict = {"row": name, "bits/code, held out": _mean(bits, groups), "bits/image, held out": bits[0].size * bits.mean()}
        if name in learned:
            row |= {"bits/code, learned from": learned[name].mean(), "gap": bits.mean() - learned[name].mean()}
        table.append(row)
    if PLACES in held:
        spared = held[PLACES] - held[PRIOR]
        name = f"spared by the prior beside the {PLACES}"
        table.append({"row": name, "bits/code, held out": _mean(spared, groups), "bits/image, held out": spared[0].size * spared.mean()})
    return table


def groups_of(codes: ImageCodes) -> list[str] | None:
    """What images depend on each other: those of one episode; None where they are no frames."""
    return None if codes.table.episodes is None else [str(one) for one in codes.table.episodes]


def _mean(bits: np.ndarray, groups: list[str] | None) -> Estimate:
    return ratio(bits.reshape(len(bits), -1).mean(1), groups=groups)
