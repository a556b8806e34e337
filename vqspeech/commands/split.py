"""Split a data directory into train, dev, test and unseen speakers.

The sentences of dev and test do not occur in train; unseen holds all utterances of its speakers.
"""

import argparse

from vqspeech.commands.arguments import add_json_argument, add_seed_argument, non_negative_int, number, output_folder
from vqspeech.commands.outputs import print_counts

EXAMPLE = "vqspeech split data/all --out data --unseen 10"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech split`."""
    add_json_argument(parser)
    parser.add_argument("data", metavar="DATA", help="data directory")
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder for train, dev, test and unseen"
    )
    unseen = parser.add_mutually_exclusive_group()
    unseen.add_argument("--unseen", **number(0, "number of speakers to hold out, of both genders", non_negative_int))
    unseen.add_argument("--unseen-speakers", nargs="+", metavar="NAME", help="names of the speakers to hold out")
    parser.add_argument(
        "--share", type=float, default=0.05, help="share of each speaker for dev, and for test (default: %(default)s)"
    )
    add_seed_argument(parser, "of the choice")


def run(args: argparse.Namespace) -> int:
    """Write the parts and print their sizes; without unseen speakers there is no folder `unseen`."""
    import shutil
    from pathlib import Path

    from vqspeech.data.datadir import DataDir
    from vqspeech.data.split import split

    parts = split(DataDir.read(args.data), args.unseen_speakers or args.unseen, args.share, args.seed)
    for name, part in parts.items():
        path = Path(args.out) / name
        if part:
            part.write(path)
            print_counts(args, path, part)
        elif (path / "wav.scp").is_file():
            shutil.rmtree(path)  # left by an earlier split; its speakers are in train now
    return 0
