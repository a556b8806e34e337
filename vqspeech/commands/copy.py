"""Write a data directory for other tools: with its recordings in tars, or as manifests.

Data directories are copied with `vqspeech subset`.
"""

import argparse
import os

from vqspeech.commands.arguments import add_jobs_argument, add_json_argument, add_output_argument, output_folder
from vqspeech.commands.outputs import print_counts
from vqspeech.publishing import COPY, publish_folder

EXAMPLE = "vqspeech copy data/train --to shar --out shar/train"

TARGETS = {
    "webdataset": "tars of recordings, each with a description (.json)",
    "lhotse": "manifests of recordings and supervisions; recordings stay where they are",
    "shar": "lhotse's Shar: cuts, and tars of their samples",
}
"""What a data directory can be written as."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech copy`."""
    from vqspeech.data.sources import KINDS

    parser.add_argument("data", metavar="DATA", help=KINDS)
    targets = "; ".join(f"{name}: {text}" for name, text in TARGETS.items())
    parser.add_argument("--to", choices=list(TARGETS), required=True, help=targets)
    add_output_argument(
        parser, output_folder, COPY, "DIR", "folder to write, which must be empty or new, or the URL of one"
    )
    add_jobs_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the folder, whole or not at all; the exit status is 3 where recordings were skipped."""
    from vqspeech.data.datadir import DataDir
    from vqspeech.data.manifests import write_manifests, write_shar
    from vqspeech.data.sources import read_data
    from vqspeech.data.tars import write_tars
    from vqspeech.errors import OutputError
    from vqspeech.jobs import Skipped
    from vqspeech.storage import sort_by_place

    skipped = Skipped()
    if os.path.isdir(args.out) and os.listdir(args.out):
        raise OutputError(f"{args.out}: is not empty, and its files would be lost; choose another --out")
    utterances = sort_by_place(read_data(args.data, skipped), lambda one: one.path)
    write = {"webdataset": write_tars, "lhotse": write_manifests, "shar": write_shar}[args.to]
    with publish_folder(args.out, COPY) as folder:
        written, more = write(utterances, folder, args.nj)
    skipped.reasons |= more.reasons
    print_counts(args, args.out, DataDir(written))
    return skipped.status(len(written))
