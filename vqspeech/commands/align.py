"""Find where each word and phone is spoken: from recordings and transcripts, or in the files of another aligner.

English only. Writes a data directory with `utt2ali`, in which all utterances stay, and the TextGrids (words, phones,
scores) to OUT.align; those that are there and fit are kept. Prints how much is aligned, and what is doubtful.
"""

import argparse
import sys
import time
from pathlib import Path

from vqspeech.commands.arguments import output_data_dir, positive_int
from vqspeech.data import corpus_alignment
from vqspeech.data.datadir import DataDir
from vqspeech.errors import AlignmentError
from vqspeech.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech align`."""
    parser.add_argument("data", metavar="DATA", help="data directory, with text")
    parser.add_argument(
        "--out", type=output_data_dir, required=True, metavar="OUT", help="data directory to write; may be DATA itself"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="take the alignments below DIR, make none: TextGrid, CTM, lab, phn, phones, named after utterances, or "
        "after recordings in a folder of the speaker",
    )
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the data directory and prints the account; exit status 3 where utterances have no alignment."""
    data, started = DataDir.read(args.data), time.perf_counter()
    folder = Path(f"{Path(args.out)}.align")
    if args.source:
        aligned, coverage = corpus_alignment.import_alignments(data, args.source, args.nj)
    else:
        aligned, coverage = corpus_alignment.align_utterances(data, folder, args.nj)
    if coverage.new_seconds:
        speed = coverage.new_seconds / (time.perf_counter() - started)
        print(f"{folder}: {speed:,.0f}x real time, {speed / args.nj:,.0f}x a process", file=sys.stderr)
    print(coverage.summary())
    if not coverage.aligned:
        raise AlignmentError(f"{args.data}: nothing could be aligned, nothing is written; the reasons are above")
    aligned.write(args.out)
    if not args.source:
        write_text(folder / "doubtful", "".join(f"{name} {why}\n" for name, why in coverage.doubtful.items()))
    return coverage.skipped.status(len(coverage.aligned))
