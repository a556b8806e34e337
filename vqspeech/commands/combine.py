"""Combine several data directories into one.

An utterance id that stands for different utterances in two of them is an error.
"""

import argparse

from vqspeech.commands.arguments import add_json_argument, add_output_argument, output_data_dir
from vqspeech.commands.outputs import print_counts
from vqspeech.publishing import DATA

EXAMPLE = "vqspeech combine data/train data/dev --out data/both"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech combine`."""
    add_json_argument(parser)
    parser.add_argument("data", nargs="+", metavar="DATA", help="data directories")
    add_output_argument(parser, output_data_dir, DATA, "DIR", "data directory to write, or the URL of one")


def run(args: argparse.Namespace) -> int:
    """Write the data directory and print its size."""
    from vqspeech.data.datadir import DataDir, combine

    data = combine([DataDir.read(path) for path in args.data])
    data.write(args.out)
    print_counts(args, args.out, data)
    return 0
