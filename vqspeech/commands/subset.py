"""Select speakers or utterances of a data directory.

Without a selection it is copied, and its spk2utt is written anew.
"""

import argparse
import os

from vqspeech.commands.arguments import add_json_argument, add_output_argument, output_data_dir, positive_int
from vqspeech.commands.outputs import print_counts
from vqspeech.publishing import DATA

EXAMPLE = "vqspeech subset data/all --out data/small --per-speaker 20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech subset`."""
    add_json_argument(parser)
    parser.add_argument("data", metavar="DATA", help="data directory")
    add_output_argument(parser, output_data_dir, DATA, "DIR", "data directory to write, or the URL of one")
    parser.add_argument("--speakers", nargs="+", metavar="NAME", help="only these speakers")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--utterances", nargs="+", metavar="ID", help="only these utterances")
    chosen.add_argument(
        "--utterance-list", metavar="FILE", help="only the utterances listed in FILE, an id at the start of each line"
    )
    parser.add_argument(
        "--per-speaker", type=positive_int, metavar="N", help="at most N utterances of each speaker, spread evenly"
    )


def run(args: argparse.Namespace) -> int:
    """Write the subset and print its size."""
    from pathlib import Path

    from vqspeech.data.datadir import DataDir
    from vqspeech.errors import DataDirError

    utterances = args.utterances
    if args.utterance_list:
        try:
            lines = Path(args.utterance_list).read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataDirError(
                f"{args.utterance_list}: cannot be read as a list of utterances ({error}); give a text file"
            ) from None
        utterances = [line.split()[0] for line in lines if line.strip()]
    whole = DataDir.read(args.data)
    data = whole.subset(args.speakers, utterances, args.per_speaker)
    if len(data) < len(whole) and _is_same(args.out, args.data):
        raise DataDirError(
            f"{args.out}: is the data directory itself, and the other utterances would be lost; choose another --out"
        )
    data.write(args.out)
    print_counts(args, args.out, data)
    return 0


def _is_same(out: str, data: str) -> bool:
    return out.rstrip("/") == data.rstrip("/") or (os.path.exists(out) and os.path.samefile(out, data))
