"""Find the faults of sets of images that belong together, such as train, dev and test.

Prints one line a fault, `file:line: what; fix`, and exits with 1 if there is any.
"""

import argparse

EXAMPLE = "vqspeech vision validate data/train data/test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision validate`."""
    parser.add_argument("data", nargs="+", metavar="SET", help="folder of a set of images")


def run(args: argparse.Namespace) -> int:
    """Print all faults, or what is in the sets; return exit status 1 if there are faults."""
    from vqspeech.errors import FAILED
    from vqspeech.vision.data.images import read_images
    from vqspeech.vision.data.validate import find_faults

    found = find_faults(args.data)
    for fault in found:
        print(fault)
    if found:
        print(f"{len(found)} fault{'s' * (len(found) > 1)}")
        return FAILED
    for path in args.data:
        print(f"{path}: no fault in {read_images(path).description}")
    return 0
