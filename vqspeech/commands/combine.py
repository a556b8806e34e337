"""Put several data directories together.

Refuses utterance ids that mean different utterances in two of them.
"""

import argparse

from vqspeech.commands.arguments import output_data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("data", nargs="+", metavar="DATA", help="data directories")
    parser.add_argument("--out", type=output_data_dir, required=True, metavar="DIR", help="data directory to write")


def run(args: argparse.Namespace) -> int:
    """Writes them as one and prints its size."""
    from vqspeech.data.datadir import DataDir, combine

    data = combine([DataDir.read(path) for path in args.data])
    data.write(args.out)
    print(f"{args.out}: {data.summary()}")
    return 0
