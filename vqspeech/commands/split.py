"""Divide a data directory into train, dev, test and unseen speakers.

dev and test hold sentences that no training speaker's training utterance says; unseen holds speakers as a whole.
"""

import argparse

from vqspeech.commands.arguments import non_negative_int, output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("data", metavar="DATA", help="data directory")
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="where to write train, dev, test and unseen"
    )
    unseen = parser.add_mutually_exclusive_group()
    unseen.add_argument(
        "--unseen",
        type=non_negative_int,
        default=0,
        metavar="N",
        help="speakers to hold out, of both genders (default %(default)s)",
    )
    unseen.add_argument("--unseen-speakers", nargs="+", metavar="NAME", help="the speakers to hold out")
    parser.add_argument(
        "--share", type=float, default=0.05, help="part of each speaker for dev and for test (default %(default)s)"
    )
    parser.add_argument("--seed", type=non_negative_int, default=0, help="of the choice (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the parts and prints their sizes; without unseen speakers there is no folder `unseen`."""
    import shutil
    from pathlib import Path

    from vqspeech.data.datadir import DataDir
    from vqspeech.data.split import split

    parts = split(DataDir.read(args.data), args.unseen_speakers or args.unseen, args.share, args.seed)
    for name, part in parts.items():
        path = Path(args.out) / name
        if part:
            part.write(path)
            print(f"{path}: {part.summary()}")
        elif (path / "wav.scp").is_file():
            shutil.rmtree(path)  # of an earlier split: its speakers are in train now
    return 0
