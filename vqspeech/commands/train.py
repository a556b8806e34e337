"""Train a model, or resume the training in --out.

A model without decoder is fitted by clustering, in seconds, or trained by masked prediction, for training.minutes.
With several processes: `accelerate launch --num_processes 2 -m vqspeech.cli train …`, or torchrun.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf import list_experiments, load_config
from vqspeech.data.dump import read_shards
from vqspeech.locks import lock_folder
from vqspeech.progress import report
from vqspeech.training.clustering import cluster
from vqspeech.training.masked import train_content
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import train

EXAMPLE = "vqspeech train --conf vctk_world --train dump/train --dev dump/dev --out exp/vctk_world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech train`."""
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump to train on")
    parser.add_argument(
        "--dev", required=True, metavar="SHARDS", help="dump for validation: other utterances of the same speakers"
    )
    add_training_arguments(parser, list_experiments(), "training.steps=500 quantizer=ema")


def run(args: argparse.Namespace) -> int:
    """Train; the exit status is 130 where a signal stopped it, after saving."""
    options = load_config(args.conf, args.overrides)
    if "decoder" not in options and "prior" not in options:
        data = read_shards(args.train), read_shards(args.dev)
        with lock_folder(args.out):
            if options["encoder"].get("name") == "content":
                figures = train_content(options, *data, args.out, _print_line, args.restart)
            else:
                figures = cluster(options, *data, args.out)
        report(f"{args.out}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()))
        return 0
    return train(
        lambda: SpeechTask(options, read_shards(args.train), read_shards(args.dev)), args.out, args.restart
    ).exit_status()


def _print_line(line: str) -> None:
    report(line)
