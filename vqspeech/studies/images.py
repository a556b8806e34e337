"""VQ-VAEs of images with every method at several rates, with and without replacement of dead codes."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.studies.published import tabulate_comparison
from vqspeech.studies.quantised_images import (
    GROUPS,
    Images,
    build_model,
    measure_mean_image,
    measure_quality,
    reconstruct_images,
    train_model,
)
from vqspeech.studies.rates import METHODS, RateStudy, name_rate
from vqspeech.studies.runs import mean_over_seeds
from vqspeech.training.trainer import resolve_precision
from vqspeech.vision.metrics.measures.quality import psnr

LR = 4e-3
"""Learning rate of Adam for all that learns by gradient.

Of 0.002, 0.004 and 0.01 it was the best for all methods on held-out images of training (8 bits, one seed), except for
gradient, for which 0.01 is 0.1 dB better."""
POINTS, CURVE_IMAGES = 10, 128
"""Points of a curve of convergence, and held-out images it is measured on."""
LOSSES = {
    "PSNR": {"dB": lambda one: -one["psnr"]},
    "SSIM": {"SSIM": lambda one: 1 - one["ssim"]},
    "perplexity": {"codes": lambda one: -one["perplexity"]},
    "convergence": {"dB": lambda one: -one["psnr_on_the_way"]},
}
"""Losses that the published claims are judged on, by table."""


class ImageStudy(RateStudy):
    """VQ-VAEs of images at several bits per code; see `RateStudy`."""

    name = "images"
    # The encoder still learns, so k-means forgets old batches, as in every recipe.
    methods: Mapping[str, dict[str, Any]] = {**METHODS, "k-means": {"name": "kmeans"}}
    columns: ClassVar[Mapping[str, tuple[str, float]]] = {
        "PSNR (dB)": ("psnr", 1), "SSIM": ("ssim", 1), "perplexity": ("perplexity", 1), "dead codes": ("dead", 1),
        "PSNR on the way (dB)": ("psnr_on_the_way", 1),
    }  # fmt: skip

    def __init__(self, out: Path, images: Images, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        super().__init__(out, rates, seeds, steps, batch)
        self.images, self.fingerprint, self.precision = images, images.fingerprint, resolve_precision()

    @property
    def points(self) -> list[int]:
        """Numbers of steps at which curves have a point; the last is the end of training."""
        number = min(POINTS, self.steps)
        return [self.steps * (i + 1) // number for i in range(number)]

    def load_or_run(self, bits: Sequence[int], row: str, seed: int) -> dict[str, float]:
        """Return the figures of one run, which is made if it is missing."""
        settings: dict[str, Any] = {
            "images": self.fingerprint, "bits": list(bits), "seed": seed, "steps": self.steps, "batch": self.batch,
            "lr": LR, "precision": self.precision, **GROUPS, "quantizer": self.rows[row],
        }  # fmt: skip
        return self.runs.load_or_run(settings, partial(self._run_one, bits, row, seed))

    def _run_one(self, bits: Sequence[int], row: str, seed: int) -> Mapping[str, float]:
        started, curve = time.perf_counter(), {}
        held_out = self.images.held_out
        watched = held_out[:: max(1, len(held_out) // CURVE_IMAGES)][:CURVE_IMAGES]

        def watch(step: int) -> None:
            if step in self.points:
                reconstructions = reconstruct_images(model, watched)[0]
                curve[f"psnr_after_{step}"] = float(psnr(watched.numpy(), reconstructions).mean())

        model = build_model(self.rows[row], 2 ** bits[0], self.images, seed)
        train_model(model, self.images, self.steps, self.batch, LR, seed, self.precision == "bf16", watch)
        mean = {"psnr_on_the_way": sum(curve.values()) / len(curve)}
        return measure_quality(model, held_out) | mean | curve | {"seconds": time.perf_counter() - started}

    def tabulate_bounds(self) -> list[dict[str, Any]]:
        """Return the table of bounds for scores.json: the same image for all, and no quantisation.

        The latter is the autoencoder to which k-means is fitted, and which learns without a codebook.
        """
        mean = measure_mean_image(self.images)
        free = [one["psnr_unquantised"] for one in self.results[name_rate(self.rates[0])]["k-means, never"]]
        return [
            {"row": "the mean training image for all", "PSNR (dB)": mean["psnr"], "SSIM": mean["ssim"]},
            {"row": "the autoencoder of k-means, unquantised", "PSNR (dB)": mean_over_seeds(free)},
        ]

    def tabulate_comparison(self, figure: str) -> list[dict[str, Any]]:
        """Return our differences of "psnr" or "ssim" and those printed in the paper on NSVQ, for scores.json."""
        ours = {
            bits[0]: {row: [one[figure] for one in runs] for row, runs in self.results[name_rate(bits)].items()}
            for bits in self.rates
        }
        return tabulate_comparison(figure, ours)

    def estimate_curve(self, bits: Sequence[int], row: str) -> list[Estimate]:
        """Return the held-out PSNR (dB) at a rate after each of `points`."""
        runs = self.results[name_rate(bits)][row]
        return [mean_over_seeds([one[f"psnr_after_{step}"] for one in runs]) for step in self.points]

    def tabulate_convergence(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """Return the curves of a rate for scores.json: a row per method and policy, a column per point."""
        return [
            {"row": row}
            | {f"{step} steps (dB)": one for step, one in zip(self.points, self.estimate_curve(bits, row), strict=True)}
            for row in self.rows
        ]
