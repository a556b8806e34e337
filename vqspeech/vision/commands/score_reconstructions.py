"""Measure reconstructions of held-out images: PSNR, SSIM, and how the codes are used."""

import argparse
from typing import Any

import numpy as np
import torch

from vqspeech.commands.arguments import positive_int, scores_file
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.metrics.reports import markdown, scores
from vqspeech.models import checkpoint
from vqspeech.vision.commands.score_bits import describe_model
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.episodes import redraw_episodes
from vqspeech.vision.metrics.quality import psnr, ssim
from vqspeech.vision.models import VIMCO, Autoencoder, CodeModel

EXAMPLE = "vqspeech vision score reconstructions exp/vqvae --data data/test --train data/train --out exp/scores.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech vision score reconstructions`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder with best.safetensors")
    parser.add_argument("--data", required=True, metavar="SET", help="held-out images")
    parser.add_argument("--train", required=True, metavar="SET", help="its training images: their mean is a baseline")
    parser.add_argument(
        "--limit",
        type=positive_int,
        default=1000,
        metavar="N",
        help="images, spread over the set (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "reconstructions" and prints it."""
    model = Autoencoder.from_pretrained(args.experiment, "cuda" if torch.cuda.is_available() else "cpu")
    about = checkpoint.read(f"{args.experiment}/best{checkpoint.SUFFIX}", "none.")[1]
    batches = ImageBatches(read_images(args.data))
    images = batches.even(args.limit).images
    redrawn = redraw_episodes(batches.images.table.select(batches.even_indices(args.limit)))
    made = torch.cat([model.reconstruct(part).cpu() for part in images.split(32)]).numpy()
    some = ImageBatches(read_images(args.train)).even(1000).images.numpy()
    mean = np.broadcast_to(some.mean(0).round().astype(np.uint8), made.shape)
    rows: list[dict[str, Any]] = [
        {"row": name}
        | {
            what: estimate_ratio(measure(images.numpy(), other), groups=redrawn.groups)
            for what, measure in (("PSNR, dB", psnr), ("SSIM", ssim))
        }
        for name, other in (("reconstructions", made), ("the mean training image for all", mean))
    ]
    rows[0] |= {"step": about["step"]}
    notes = [f"{len(images)} images of {args.data}; {redrawn.words}", *describe_model(model)]
    if isinstance(model, CodeModel):
        codes = torch.cat([model.encode(part).cpu() for part in images.split(32)])
        counts = codes.flatten().bincount(minlength=model.codes).numpy()
        size = codes[0].numel() * np.log2(model.codes)
        rows[0] |= {"perplexity": perplexity(counts), "codes used": f"{count_used(counts)} of {model.codes}"}
        notes.append(f"{size:,.0f} bits an image, {8 * model.dimensions / size:.1f} times less than its pixels")
    if isinstance(model, VIMCO):
        notes.append("decoded from codes drawn from the posterior; perplexity and codes used are of the likeliest ones")
    scores.add_rows(args.out, "reconstructions", rows, notes=notes, packages=["scikit-image"])
    print(markdown.format_table(scores.read(args.out)["sections"]["reconstructions"]["rows"]), *notes, sep="\n")
    return 0
