"""Write the shards that training reads: µ-law audio at 16 kHz, and WORLD frames where asked."""

import argparse
import sys
import time
from pathlib import Path

from vqspeech.commands.arguments import output_folder, positive_int
from vqspeech.data.datadir import DataDir
from vqspeech.data.dump import write_shards
from vqspeech.errors import OutputError
from vqspeech.locks import lock_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech dump`."""
    parser.add_argument("data", metavar="DATA", help="data directory")
    parser.add_argument("--out", type=output_folder, required=True, metavar="SHARDS", help="folder to write")
    parser.add_argument("--world", action="store_true", help="with WORLD frames, which the fast decoder learns from")
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the dump; exit status 3 where recordings were skipped."""
    started = time.perf_counter()
    if (Path(args.out) / "wav.scp").exists():
        raise OutputError(f"{args.out}: is a data directory, which a dump would spoil; choose another --out")
    with lock_folder(args.out):
        shards, skipped = write_shards(DataDir.read(args.data), args.out, args.world, args.nj)
    speed = shards.seconds / (time.perf_counter() - started)
    print(
        f"{args.out}: {len(shards)} utterances, {shards.seconds / 60:.1f} min, {speed:,.0f}x real time", file=sys.stderr
    )
    return skipped.status(len(shards))
