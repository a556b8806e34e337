"""Find all faults of a data directory.

Prints a line per fault, `file:line: fault; fix`, and exits with 1 if there are any.
"""

import argparse

from vqspeech.commands.arguments import add_jobs_argument, add_json_argument
from vqspeech.commands.outputs import print_json

EXAMPLE = "vqspeech validate data/all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech validate`."""
    add_json_argument(parser)
    parser.add_argument("data", metavar="DATA", help="data directory")
    parser.add_argument(
        "--no-audio", action="store_true", help="do not open the recordings, only check that they exist"
    )
    add_jobs_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print all faults, or a summary; the exit status is 1 where there are faults."""
    from vqspeech.data.datadir import DataDir
    from vqspeech.data.validate import find_faults
    from vqspeech.errors import FAILED

    found = find_faults(args.data, audio=not args.no_audio, nj=args.nj)
    if args.json:
        print_json({"data": args.data, "faults": [str(fault) for fault in found]})
        return FAILED if found else 0
    for fault in found:
        print(fault)
    if found:
        print(f"{args.data}: {len(found)} fault{'s' * (len(found) > 1)}")
        return FAILED
    unread = ", recordings not opened" if args.no_audio else ""
    print(f"{args.data}: no fault in {DataDir.read(args.data).summary()}{unread}")
    return 0
