"""Write a data directory for other tools: with its recordings in tars, or as manifests.

Data directories are copied with `vqspeech subset`.
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import add_jobs_argument, add_json_argument, output_folder
from vqspeech.commands.outputs import print_counts

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
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder to write, which must be empty or new"
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
    from vqspeech.files import replace_folder
    from vqspeech.jobs import Skipped
    from vqspeech.storage import sort_by_place

    out, skipped = Path(args.out), Skipped()
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out}: is not empty, and its files would be lost; choose another --out")
    utterances = sort_by_place(read_data(args.data, skipped), lambda one: one.path)
    write = {"webdataset": write_tars, "lhotse": write_manifests, "shar": write_shar}[args.to]
    with replace_folder(out) as folder:
        written, more = write(utterances, folder, args.nj)
    skipped.reasons |= more.reasons
    print_counts(args, out, DataDir(written))
    return skipped.status(len(written))
