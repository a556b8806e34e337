"""Find every fault of a data directory.

Prints one line a fault, `file:line: what; fix`, and exits with 1 where there is any.
"""

import argparse

from vqspeech.commands.arguments import positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("data", metavar="DATA", help="data directory")
    parser.add_argument("--no-audio", action="store_true", help="do not open the recordings, only see that they exist")
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Prints all faults, or what the data directory holds; exit status 1 where there are faults."""
    from vqspeech.data.datadir import DataDir
    from vqspeech.data.validate import find_faults
    from vqspeech.errors import FAILED

    found = find_faults(args.data, audio=not args.no_audio, nj=args.nj)
    for fault in found:
        print(fault)
    if found:
        print(f"{args.data}: {len(found)} fault{'s' * (len(found) > 1)}")
        return FAILED
    unread = ", recordings not opened" if args.no_audio else ""
    print(f"{args.data}: no fault in {DataDir.read(args.data).summary()}{unread}")
    return 0
