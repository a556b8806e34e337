"""The score that compares samples with the nearest training images, so that memorised images show."""

import argparse
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch

from vqspeech.arrays import ArrayError, read_arrays
from vqspeech.commands.arguments import number, output_file
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.errors import ImageError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations.images import find_nearest, redraw_episodes
from vqspeech.vision.metrics.reports import pictures

SHOWN = 16


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure the distance of samples and of held-out images to the nearest training image."""
    train, held = read_images(args.train), read_images(args.data)
    samples = _images(Path(args.samples))
    if samples.shape[1:] != train.shape:
        raise ImageError(f"{args.samples}: images of {samples.shape[1:]}, {train.shape} in {args.train}")
    batches = ImageBatches(held)
    found, real = find_nearest(samples, train), find_nearest(batches.even(len(samples)).images.numpy(), train)
    redrawn = redraw_episodes(held.table.select(batches.even_indices(len(samples))))
    copies = train.pixels(found.index)
    rows = [
        {
            "row": name,
            "distance to the nearest training image": estimate_ratio(one.distance, groups=groups),
            "least": one.distance.min(),
        }
        for name, one, groups in (("samples", found, None), ("held-out images", real, redrawn.groups))
    ]
    notes = [
        f"root mean square difference of a level, of {len(train)} images of {args.train}; a copy has 0",
        "smooth images are near to many: samples that are much nearer than held-out images are blurred, or copied",
    ]
    notes.append(f"held-out images: {redrawn.words}; samples are drawn each by itself")
    shown = np.linspace(0, len(samples) - 1, min(SHOWN, len(samples))).astype(np.int64)  # of all classes
    both = torch.from_numpy(samples[shown]), torch.from_numpy(copies[shown])
    title = "samples, and below each the nearest training image"
    pictures.write_png(pictures.label_pairs(*both, ("sample", "nearest"), title, scale=args.scale), args.picture)
    yield Table(rows, notes, files=[args.picture])


def _images(path: Path) -> np.ndarray:
    try:
        images = read_arrays(path, ["images"])["images"]
    except (ArrayError, KeyError) as error:
        raise ImageError(f"{path}: no samples ({error}); make them with: vqspeech vision sample") from None
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise ImageError(f"{path}: no uint8 images (n, height, width, channels); sample again")
    return images.transpose(0, 3, 1, 2)


SCORE = Score(
    "samples",
    "Compare samples with the nearest training images, so that memorised images show.",
    measure,
    arguments=[
        argument(
            "--samples",
            required=True,
            metavar="NPZ",
            help="samples.npz of `vqspeech vision sample`: images (n, height, width, 3)",
        ),
        argument("--train", required=True, metavar="SET", help="training images"),
        argument("--data", required=True, metavar="SET", help="held-out images, for comparison"),
        argument("--scale", **number(2, "size of an image's pixel in the sheet")),
        argument(
            "--picture",
            type=output_file,
            required=True,
            metavar="PNG",
            help="sheet of samples and their nearest training images",
        ),
    ],
    columns={"distance to the nearest training image": "root mean square difference in levels; 0 for a copy"},
    example=(
        "vqspeech vision score samples --samples exp/frames/samples/samples.npz --train data/train --data "
        "data/test --picture exp/frames/pictures/nearest.png --out exp/frames/scores.json"
    ),
)
