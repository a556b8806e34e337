"""Write the shards that training reads: normalised 16-bit samples at 16 kHz and, with --world, WORLD frames."""

import argparse
import time
from pathlib import Path

from vqspeech.commands.arguments import add_jobs_argument, add_json_argument, add_output_argument, output_folder
from vqspeech.commands.outputs import print_json
from vqspeech.commands.sharding import add_shard_arguments, run_shards
from vqspeech.data.datadir import DataDir
from vqspeech.data.dump import write_shards
from vqspeech.data.sharding import Share
from vqspeech.data.sources import KINDS, read_data
from vqspeech.errors import OutputError
from vqspeech.locks import lock_folder
from vqspeech.progress import report
from vqspeech.publishing import DUMP, publish

EXAMPLE = "vqspeech dump data/train --out dump/train --world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech dump`."""
    parser.add_argument("data", metavar="DATA", help=KINDS)
    add_output_argument(parser, output_folder, DUMP, "SHARDS", "folder to write, or the URL of one")
    parser.add_argument("--world", action="store_true", help="add WORLD frames, which the WORLD decoder is trained on")
    add_json_argument(parser)
    add_jobs_argument(parser)
    add_shard_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the dump; the exit status is 3 where recordings were skipped."""
    return run_shards(args, "dump", _dump)


def _dump(args: argparse.Namespace, share: Share) -> int:
    started = time.perf_counter()
    if (Path(args.out) / "wav.scp").exists():
        raise OutputError(f"{args.out}: is a data directory, which a dump would damage; choose another --out")
    with publish(args.out, DUMP) as out, lock_folder(out):
        data = DataDir(share.select(read_data(args.data, share.skipped)))
        shards, skipped = write_shards(data, out, args.world, args.nj, skipped=share.skipped)
    share.done = list(shards.utterances)
    speed = shards.seconds / (time.perf_counter() - started)
    report(f"{args.out}: {len(shards)} utterances, {shards.seconds / 60:.1f} min, {speed:,.0f}x real time")
    if args.json:
        figures = {"utterances": len(shards), "seconds": shards.seconds, "times_real_time": speed}
        print_json({"dump": args.out, **figures, "skipped": skipped.reasons})
    return skipped.status(len(shards))
