"""Train a prior over codes of images, or a second VQ-VAE over them; a stopped training in --out is resumed.

The prior is conditioned on the classes of the images, if there are any.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf.vision import list_priors, load_config
from vqspeech.training.trainer import train
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.training.prior import ImagePriorTask
from vqspeech.vision.training.top import TopTask

EXAMPLE = "vqspeech vision prior --codes codes/train --dev codes/dev --out exp/prior --conf small_prior"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision prior`."""
    parser.add_argument("--codes", required=True, metavar="CODES", help="codes to train on")
    parser.add_argument("--dev", required=True, metavar="CODES", help="codes for validation, of other images")
    add_training_arguments(parser, list_priors(), "training.steps=500", default="prior")


def run(args: argparse.Namespace) -> int:
    """Train; return exit status 130 if a signal stopped the training, after it was saved."""
    resolved = load_config(args.conf, args.overrides)
    kind = TopTask if "top" in resolved else ImagePriorTask
    both = args.codes, args.dev
    return train(lambda: kind(resolved, *map(read_codes, both)), args.out, args.restart).exit_status()
