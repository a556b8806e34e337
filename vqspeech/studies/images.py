"""VQ-VAEs of images with every method at several rates, dead codes replaced or not."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vqspeech.metrics.bootstrap import Estimate
from vqspeech.studies import published
from vqspeech.studies.quantised_images import (
    GROUPS,
    Images,
    mean_image,
    model,
    qualities,
    reconstructed,
    trained,
)
from vqspeech.studies.rates import METHODS, RateStudy, called
from vqspeech.studies.seeds import over_seeds
from vqspeech.training.trainer import precision
from vqspeech.vision.metrics.quality import psnr

LR = 4e-3
"""Learning rate of Adam for all that learns by gradient. Of 0.002, 0.004 and 0.01, all methods came furthest with it on
the held-out images of training (8 bits, one seed), but gradient, for which 0.01 is 0.1 dB better."""
POINTS, WATCHED = 10, 128
"""Points of a curve of convergence; held-out images it is measured on."""
LOST = {
    "PSNR": {"dB": lambda one: -one["psnr"]},
    "SSIM": {"SSIM": lambda one: 1 - one["ssim"]},
    "perplexity": {"codes": lambda one: -one["perplexity"]},
    "convergence": {"dB": lambda one: -one["psnr_on_the_way"]},
}
"""What the published directions are held against, by table."""


class ImageStudy(RateStudy):
    """Models trained for `steps` steps on batches of `batch` images for `seeds` seeds at `rates`, each the bits of a
    code. Runs are kept in `out`."""

    name = "images"
    # The encoder still learns, so k-means forgets what it gave long ago, as in every recipe.
    methods = {**METHODS, "k-means": {"name": "kmeans"}}
    columns = {
        "PSNR (dB)": ("psnr", 1), "SSIM": ("ssim", 1), "perplexity": ("perplexity", 1), "dead codes": ("dead", 1),
        "PSNR on the way (dB)": ("psnr_on_the_way", 1),
    }  # fmt: skip

    def __init__(self, out: Path, seen: Images, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        super().__init__(out, rates, seeds, steps, batch)
        self.seen, self.images, self.precision = seen, seen.fingerprint, precision()

    @property
    def points(self) -> list[int]:
        """Steps after which curves have a point, the last one among them."""
        number = min(POINTS, self.steps)
        return [self.steps * (i + 1) // number for i in range(number)]

    def figures(self, bits: Sequence[int], row: str, seed: int) -> dict[str, float]:
        settings: dict[str, Any] = {
            "images": self.images, "bits": list(bits), "seed": seed, "steps": self.steps, "batch": self.batch, "lr": LR,
            "precision": self.precision, **GROUPS, "quantizer": self.rows[row],
        }  # fmt: skip
        return self.runs.figures(settings, partial(self._figures, bits, row, seed))

    def _figures(self, bits: Sequence[int], row: str, seed: int) -> Mapping[str, float]:
        started, curve = time.perf_counter(), {}
        watched = self.seen.held_out[:: max(1, len(self.seen.held_out) // WATCHED)][:WATCHED]

        def watch(step: int) -> None:
            if step in self.points:
                again = reconstructed(made, watched)[0]
                curve[f"psnr_after_{step}"] = float(psnr(watched.numpy(), again).mean())

        made = model(self.rows[row], 2 ** bits[0], self.seen, seed)
        trained(made, self.seen, self.steps, self.batch, LR, seed, self.precision == "bf16", watch)
        way = {"psnr_on_the_way": sum(curve.values()) / len(curve)}
        return qualities(made, self.seen.held_out) | way | curve | {"seconds": time.perf_counter() - started}

    def bounds(self) -> list[dict[str, Any]]:
        """The table of what quantisers stand between, for scores.json: an image that is the same for all, and the
        autoencoder that learns without a codebook, to which k-means is fitted."""
        least = mean_image(self.seen)
        free = [one["psnr_unquantised"] for one in self.found[called(self.rates[0])]["k-means, never"]]
        return [
            {"row": "the mean training image for all", "PSNR (dB)": least["psnr"], "SSIM": least["ssim"]},
            {"row": "the autoencoder of k-means, unquantised", "PSNR (dB)": over_seeds(free)},
        ]

    def beside_paper(self, figure: str) -> list[dict[str, Any]]:
        """The differences that the paper on NSVQ printed, beside ours, for scores.json: on "psnr" or "ssim"."""
        ours = {
            bits[0]: {row: [one[figure] for one in found] for row, found in self.found[called(bits)].items()}
            for bits in self.rates
        }
        return published.rows(figure, ours)

    def curve(self, bits: Sequence[int], row: str) -> list[Estimate]:
        """Held-out PSNR (dB) at a rate after each of `points`."""
        found = self.found[called(bits)][row]
        return [over_seeds([one[f"psnr_after_{step}"] for one in found]) for step in self.points]

    def convergence(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """The curves of a rate for scores.json: a row a method and policy, a column a point."""
        return [
            {"row": row}
            | {f"{step} steps (dB)": one for step, one in zip(self.points, self.curve(bits, row), strict=True)}
            for row in self.rows
        ]
