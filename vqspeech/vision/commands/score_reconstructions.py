"""The score of reconstructions of held-out images: PSNR, SSIM, and the use of the codebook."""

import argparse
from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.models import checkpoint
from vqspeech.vision.commands.arguments import EXPERIMENT, HELD_OUT, limit_argument
from vqspeech.vision.commands.score_bits import describe_model
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations.images import redraw_episodes
from vqspeech.vision.metrics.measures.quality import psnr, ssim
from vqspeech.vision.models import VIMCO, Autoencoder, CodeModel


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Compare held-out images with their reconstructions and with the mean training image."""
    model = Autoencoder.from_pretrained(args.experiment, resolve_device(None))
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
    yield Table(rows, notes, packages=["scikit-image"])


SCORE = Score(
    "reconstructions",
    "Measure reconstructions of held-out images: PSNR, SSIM, and the use of the codebook.",
    measure,
    arguments=[
        EXPERIMENT,
        HELD_OUT,
        argument("--train", required=True, metavar="SET", help="its training images: their mean is a baseline"),
        limit_argument(1000),
    ],
    columns={
        "PSNR, dB": "peak signal to noise ratio",
        "SSIM": "structural similarity, 1 for equal images",
        "perplexity": "exp of the entropy of the codes",
        "codes used": "codes that occur, of all",
    },
    example=(
        "vqspeech vision score reconstructions exp/frames --data data/test --train data/train --out "
        "exp/frames/scores.json"
    ),
)
