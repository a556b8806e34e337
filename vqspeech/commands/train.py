"""Train a model, or go on training the one in --out. One without decoder is fitted by clustering, in seconds, or
learned by masked prediction, for training.minutes.

Several processes: `accelerate launch --num_processes 2 -m vqspeech.cli train …`, or torchrun likewise.
"""

import argparse
import sys

from vqspeech.commands.arguments import output_folder
from vqspeech.conf import list_experiments, load_config
from vqspeech.data.dump import read_shards
from vqspeech.locks import lock_folder
from vqspeech.training.clustering import cluster
from vqspeech.training.masked import train_content
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech train`."""
    parser.add_argument("--conf", required=True, metavar="NAME", help=f"configuration: {', '.join(list_experiments())}")
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump to learn from")
    parser.add_argument("--dev", required=True, metavar="SHARDS", help="dump to watch: other utterances, same speakers")
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        metavar="EXP",
        help="experiment folder; training goes on where it has one",
    )
    parser.add_argument(
        "--restart", action="store_true", help="remove what an earlier training left in --out, train from the start"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="for example training.steps=500 quantizer=ema"
    )


def run(args: argparse.Namespace) -> int:
    """Trains; exit status 130 where a signal stopped it, after saving."""
    options = load_config(args.conf, args.overrides)
    if "decoder" not in options and "prior" not in options:
        data = read_shards(args.train), read_shards(args.dev)
        with lock_folder(args.out):
            if options["encoder"].get("name") == "content":
                figures = train_content(options, *data, args.out, _say, args.restart)
            else:
                figures = cluster(options, *data, args.out)
        print(f"{args.out}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), file=sys.stderr)
        return 0
    return train(
        lambda: SpeechTask(options, read_shards(args.train), read_shards(args.dev)), args.out, args.restart
    ).exit_status()


def _say(line: str) -> None:
    print(line, file=sys.stderr)
