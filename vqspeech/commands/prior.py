"""Train a prior over the codes of units files, or resume the training in --out.

Units of any encoder will do. With data directories, the prior is conditioned on the speaker.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf import list_priors, load_config
from vqspeech.data.code_windows import find_speakers
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.training.prior import PriorTask, SpokenUnits
from vqspeech.training.trainer import train

EXAMPLE = "vqspeech prior --units train.txt --dev dev.txt --out exp/prior"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech prior`."""
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file to train on")
    parser.add_argument("--dev", required=True, metavar="UNITS", help="units file for validation: other utterances")
    parser.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA",
        help="data directories of both, for the speakers (default: a prior without speakers)",
    )
    add_training_arguments(parser, list_priors(), "training.steps=500 prior=transformer", default="prior")


def run(args: argparse.Namespace) -> int:
    """Train; the exit status is 130 where a signal stopped it, after saving."""
    resolved = load_config(args.conf, args.overrides)

    def task() -> PriorTask:
        data = [DataDir.read(path) for path in args.data]
        train, dev = (
            SpokenUnits(units, find_speakers(units, data)) for units in map(read_units, (args.units, args.dev))
        )
        return PriorTask(resolved, train, dev)

    return train(task, args.out, args.restart).exit_status()
