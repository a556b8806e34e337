"""Train a model of images; a stopped training in --out is resumed.

Several processes: `torchrun --nproc_per_node 2 -m vqspeech.cli vision train …`.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf.vision import list_experiments, load_config
from vqspeech.training.trainer import train
from vqspeech.vision.data.images import read_images
from vqspeech.vision.training.reconstruction import ImageTask

EXAMPLE = "vqspeech vision train --conf cifar10_vqvae_small --train data/train --dev data/dev --out exp/vqvae"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision train`."""
    parser.add_argument("--train", required=True, metavar="SET", help="images to train on")
    parser.add_argument("--dev", required=True, metavar="SET", help="images for validation")
    add_training_arguments(parser, list_experiments(), "training.steps=500 likelihood=logistic")


def run(args: argparse.Namespace) -> int:
    """Train; return exit status 130 if a signal stopped the training, after it was saved."""
    resolved = load_config(args.conf, args.overrides)
    sets = args.train, args.dev
    return train(lambda: ImageTask(resolved, *map(read_images, sets)), args.out, args.restart).exit_status()
