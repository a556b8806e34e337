"""Reconstruct images: a sheet of originals with their reconstructions below them."""

import argparse
from pathlib import Path

import torch

from vqspeech.commands.arguments import number, output_file
from vqspeech.devices import resolve_device
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models import Autoencoder

EXAMPLE = "vqspeech vision reconstruct --model exp/vqvae --data data/test --out reconstructed.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision reconstruct`."""
    parser.add_argument("--model", required=True, metavar="FILE", help="checkpoint or experiment folder")
    parser.add_argument("--data", required=True, metavar="SET", help="set of images")
    parser.add_argument("--out", type=output_file, required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--limit", **number(24, "number of images, evenly spaced over the set"))
    parser.add_argument("--columns", **number(8, "images per row"))
    parser.add_argument("--scale", **number(2, "size of an image's pixel in the sheet"))


def run(args: argparse.Namespace) -> int:
    """Write the picture and print its name."""
    model = Autoencoder.from_pretrained(args.model, resolve_device(None))
    images = ImageBatches(read_images(args.data)).even(args.limit).images
    made = torch.cat([model.reconstruct(part).cpu() for part in images.split(32)])
    names, title = ("image", "reconstruction"), "images, and below each its reconstruction"
    pictures.write_png(pictures.label_pairs(images, made, names, title, args.columns, args.scale), Path(args.out))
    print(args.out)
    return 0
