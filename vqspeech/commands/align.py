"""Align words and phones to recordings, from transcripts (English only) or from the files of another aligner.

Writes a data directory with `utt2ali` and all utterances, and TextGrids (words, phones, scores) to OUT.align, where
valid ones are reused. Prints how much is aligned, and which alignments are doubtful.
"""

import argparse
import time
from pathlib import Path

from vqspeech.commands.arguments import add_jobs_argument, add_json_argument, output_data_dir
from vqspeech.commands.outputs import print_json
from vqspeech.commands.sharding import DOUBTFUL, add_shard_arguments, run_shards
from vqspeech.data import corpus_alignment
from vqspeech.data.datadir import DataDir
from vqspeech.data.sharding import Share
from vqspeech.errors import AlignmentError
from vqspeech.files import write_text
from vqspeech.progress import report

EXAMPLE = "vqspeech align data/all --out data/aligned --nj 4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech align`."""
    parser.add_argument("data", metavar="DATA", help="data directory, with text")
    parser.add_argument(
        "--out", type=output_data_dir, required=True, metavar="OUT", help="data directory to write; may be DATA itself"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="import the alignments below DIR (TextGrid, CTM, lab, phn, phones), named after utterances, or after "
        "recordings in a folder per speaker, instead of aligning",
    )
    add_json_argument(parser)
    add_jobs_argument(parser)
    add_shard_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the data directory and print a summary; the exit status is 3 where utterances have no alignment."""
    out = args.out
    return run_shards(args, "align", lambda args, share: _align(args, share, Path(f"{Path(out)}.align")))


def _align(args: argparse.Namespace, share: Share, folder: Path) -> int:
    everything, started = DataDir.read(args.data), time.perf_counter()
    data = DataDir(share.select(everything))
    if args.source:
        aligned, coverage = corpus_alignment.import_alignments(data, args.source, args.nj, everything)
    else:
        aligned, coverage = corpus_alignment.align_utterances(data, folder, args.nj)
    if coverage.new_seconds:
        speed = coverage.new_seconds / (time.perf_counter() - started)
        report(f"{folder}: {speed:,.0f}x real time, {speed / args.nj:,.0f}x a process")
    if args.json:
        print_json({"data": args.out, **coverage.counts()})
    else:
        print(coverage.summary())
    share.done, share.skipped = list(coverage.aligned), coverage.skipped
    if not coverage.aligned and share.shard is None:
        raise AlignmentError(
            f"{args.data}: no utterance could be aligned, so nothing is written; the reasons are above"
        )
    aligned.write(args.out)
    if not args.source:
        place = folder if share.shard is None else Path(args.out).parent
        write_text(place / DOUBTFUL, "".join(f"{name} {why}\n" for name, why in coverage.doubtful.items()))
    return coverage.skipped.status(len(coverage.aligned))
