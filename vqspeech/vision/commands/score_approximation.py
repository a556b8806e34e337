"""The score that compares log p(x) with log p(x|z_q) p(z_q) on a model whose maps of codes can be enumerated."""

import argparse
from collections.abc import Generator
from typing import Any

import torch

from vqspeech.commands.scoring import Score, Table
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.models import checkpoint
from vqspeech.vision.commands.arguments import EXPERIMENT, HELD_OUT, limit_argument
from vqspeech.vision.commands.score_bits import describe_model
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations import bounds
from vqspeech.vision.models import CodeModel

SAMPLES = (1, 10, 100)


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Compare bounds of log p(x) with the sum over all maps of codes."""
    model = CodeModel.from_pretrained(args.experiment)
    about = checkpoint.read(f"{args.experiment}/best{checkpoint.SUFFIX}", "none.")[1]
    images = ImageBatches(read_images(args.data)).even(args.limit).images
    exact = bounds.bits_per_dimension(bounds.exact_log_likelihood(model, images), model)
    found = {"exact, the sum over all codes": exact, "log p(x|z_q) p(z_q)": _one_term(model, images)}
    for samples in SAMPLES:
        name = f"importance sampling, {samples} sample{'s' * (samples > 1)}"
        found[name] = bounds.bits_per_dimension(bounds.importance_log_likelihood(model, images, samples), model)
    rows = [
        {"row": name, "bits/dimension": estimate_ratio(values), "above the exact": estimate_ratio(values - exact)}
        for name, values in found.items()
    ]
    height, width = model.code_shape
    notes = [
        (
            f"{len(images)} images of {model.shape[1]}x{model.shape[2]} of {args.data}, step {about['step']}; "
            f"{model.codes ** (height * width):,} maps of codes; uniform prior"
        ),
        *describe_model(model),
    ]
    yield Table(rows, notes, seed=0)


def _one_term(model: Any, images: torch.Tensor) -> Any:
    import math

    codes = model.encode(images)
    return bounds.bits_per_dimension(
        model.log_likelihood(images, codes) - codes[0].numel() * math.log(model.codes), model
    )


SCORE = Score(
    "approximation",
    "Check log p(x) ≈ log p(x|z_q) p(z_q) on a model so small that all maps of codes can be enumerated.",
    measure,
    arguments=[EXPERIMENT, HELD_OUT, limit_argument(256)],
    columns={"above the exact": "bits/dimension more than by the sum over all maps of codes"},
    example=(
        "vqspeech vision score approximation exp/cifar10_tiny --data data/tiny/test --out exp/cifar10_tiny/scores.json"
    ),
)
