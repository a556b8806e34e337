"""Train a prior over the codes of units files, or go on training the one in --out.

The units may be anybody's. Where data directories are given, the prior is told who speaks.
"""

import argparse

from vqspeech.commands.arguments import output_folder
from vqspeech.conf import list_priors, load_config
from vqspeech.data.code_windows import find_speakers
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.training.prior import PriorTask, SpokenUnits
from vqspeech.training.trainer import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech prior`."""
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file to learn from")
    parser.add_argument("--dev", required=True, metavar="UNITS", help="units file to watch: other utterances")
    parser.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA",
        help="data directories of both, to tell who speaks (default: nobody is told)",
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        metavar="EXP",
        help="experiment folder; training goes on where it has one",
    )
    parser.add_argument(
        "--conf", default="prior", metavar="NAME", help=f"one of {', '.join(list_priors())} (default: %(default)s)"
    )
    parser.add_argument(
        "--restart", action="store_true", help="remove what an earlier training left in --out, train from the start"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="for example training.steps=500 prior=transformer"
    )


def run(args: argparse.Namespace) -> int:
    """Trains; exit status 130 where a signal stopped it, after saving."""
    resolved = load_config(args.conf, args.overrides)

    def task() -> PriorTask:
        data = [DataDir.read(path) for path in args.data]
        train, dev = (
            SpokenUnits(units, find_speakers(units, data)) for units in map(read_units, (args.units, args.dev))
        )
        return PriorTask(resolved, train, dev)

    return train(task, args.out, args.restart).exit_status()
