"""Check log p(x) ~ log p(x|z_q) p(z_q) on a model so small that all maps of codes can be counted."""

import argparse
from typing import Any

import torch

from vqspeech.commands.arguments import positive_int, scores_file
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.metrics.reports import markdown, scores
from vqspeech.models import checkpoint
from vqspeech.vision.commands.score_bits import describe_model
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics import bounds
from vqspeech.vision.models import CodeModel

EXAMPLE = "vqspeech vision score approximation exp/tiny --data data/test --out exp/scores.json"

SAMPLES = (1, 10, 100)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech vision score approximation`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder of a very small model")
    parser.add_argument("--data", required=True, metavar="SET", help="held-out images")
    parser.add_argument(
        "--limit",
        type=positive_int,
        default=256,
        metavar="N",
        help="images, spread over the set (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "approximation" and prints it."""
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
    scores.add_rows(args.out, "approximation", rows, notes=notes, seed=0)
    print(markdown.format_table(scores.read(args.out)["sections"]["approximation"]["rows"]), *notes, sep="\n")
    return 0


def _one_term(model: Any, images: torch.Tensor) -> Any:
    import math

    codes = model.encode(images)
    return bounds.bits_per_dimension(
        model.log_likelihood(images, codes) - codes[0].numel() * math.log(model.codes), model
    )
