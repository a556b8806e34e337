"""Judge voice conversion: intelligibility, voice, quality."""

import argparse

from vqspeech.data.datadir import DataDir, combine
from vqspeech.metrics import conversion, report, scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score conversion`."""
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="DATA", help="data directories of the source utterances, with text"
    )
    parser.add_argument("--converted", required=True, metavar="DIR", help="conversions, DIR/TARGET/UTTERANCE.wav")
    parser.add_argument("--targets-data", required=True, metavar="DATA", help="recordings of the target speakers")
    parser.add_argument(
        "--reconstructed", metavar="DIR", help="reconstructions, of these or others of --data: DIR/UTTERANCE.wav"
    )
    parser.add_argument("--out", required=True, metavar="JSON", help="scores file; its other sections are kept")
    parser.add_argument("--section", default="conversion", help="name of the section in it (default: %(default)s)")
    parser.add_argument(
        "--enrol", type=int, default=10, metavar="N", help="recordings that make a voice (default: %(default)s)"
    )
    parser.add_argument("--nj", type=int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section, prints its table; exit status 3 where clips were skipped."""
    rows, details, notes, skipped = conversion.scored(
        combine([DataDir.read(path) for path in args.data]),
        args.converted,
        DataDir.read(args.targets_data),
        args.reconstructed,
        enrol=args.enrol,
        nj=args.nj,
    )
    scores.add_rows(
        args.out, args.section, rows, notes=notes, details=details, seed=0, packages=conversion.PACKAGES
    )  # fmt: skip
    print(report.table(scores.read(args.out)["sections"][args.section]["rows"]))
    return skipped.status(len(details))
