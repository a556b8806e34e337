"""Train a prior over video on the codes of episodes; a stopped training in --out is resumed.

The prior is conditioned on the actions in the codes' table. With --model, TensorBoard shows its rollouts.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf.vision import list_video_priors, load_config
from vqspeech.training.trainer import train
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.models import CodeModel
from vqspeech.vision.training.video import VideoTask

EXAMPLE = "vqspeech vision prior-video --codes codes/train --dev codes/dev --out exp/video"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision prior-video`."""
    parser.add_argument("--codes", required=True, metavar="CODES", help="codes of episodes to train on")
    parser.add_argument("--dev", required=True, metavar="CODES", help="codes for validation, of other episodes")
    parser.add_argument("--model", metavar="FILE", help="model that made the codes, to log decoded frames")
    add_training_arguments(parser, list_video_priors(), "training.steps=500 video=transformer", default="video_prior")


def run(args: argparse.Namespace) -> int:
    """Train; return exit status 130 if a signal stopped the training, after it was saved."""
    resolved = load_config(args.conf, args.overrides)

    def task() -> VideoTask:
        decoder = None if args.model is None else CodeModel.from_pretrained(args.model)
        return VideoTask(resolved, read_codes(args.codes), read_codes(args.dev), decoder)

    return train(task, args.out, args.restart).exit_status()
