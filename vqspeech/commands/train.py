"""Train a model, or go on training the one in --out.

Several processes: `accelerate launch --num_processes 2 -m vqspeech.cli train …`, or torchrun likewise.
"""

import argparse

from vqspeech.conf import config, experiments
from vqspeech.data.dump import shards
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech train`."""
    parser.add_argument("--conf", required=True, metavar="NAME", help=f"configuration: {', '.join(experiments())}")
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump to learn from")
    parser.add_argument("--dev", required=True, metavar="SHARDS", help="dump to watch: other utterances, same speakers")
    parser.add_argument(
        "--out", required=True, metavar="EXP", help="experiment folder; training goes on where it has one"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="for example training.steps=500 quantizer=ema"
    )


def run(args: argparse.Namespace) -> int:
    """Trains; exit status 130 where a signal stopped it, after saving."""
    task = SpeechTask(config(args.conf, args.overrides), shards(args.train), shards(args.dev))
    return Trainer(task, args.out).train().status()
