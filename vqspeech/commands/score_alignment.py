"""Measure an alignment against another of the same utterances, such as exact or hand-made phone times."""

import argparse

from vqspeech.commands.arguments import positive_int, scores_file
from vqspeech.data.datadir import DataDir
from vqspeech.metrics import alignment, report, scores
from vqspeech.metrics.bootstrap import redraw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score alignment`."""
    parser.add_argument("--data", required=True, metavar="DATA", help="data directory with utt2ali")
    parser.add_argument("--reference", required=True, metavar="DATA", help="data directory with the right utt2ali")
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--section", default="alignment", metavar="NAME", help="section in it (default: %(default)s)")
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section and prints it; exit status 3 where alignments cannot be read."""
    found, reference = (_alignments(path) for path in (args.data, args.reference))
    speakers = {utterance.id: utterance.speaker for utterance in DataDir.read(args.data)}
    rows, count, skipped = alignment.scored(found, reference, args.nj, speakers)
    kept = [name for name in found if name in reference and name not in skipped.reasons]
    notes = [
        f"{count} utterances of {args.data} against {args.reference}; phones are matched by least edits, boundaries "
        "compared where both phones beside them are matched and neighbours; positive: later than the reference; "
        f"{redraw([speakers[name] for name in kept]).words}",
        f"time with the same phone: of the frames at {alignment.RATE} Hz that have a phone in the reference, the share "
        "with the same one; in the second row of its speech, in the third of its pauses",
    ]
    if count:
        scores.add_rows(args.out, args.section, rows, notes=notes, seed=0, packages=("pocketsphinx",))
        print(report.table(scores.read(args.out)["sections"][args.section]["rows"]))
    return skipped.status(count)


def _alignments(path: str) -> dict[str, str]:
    return {utterance.id: utterance.alignment for utterance in DataDir.read(path) if utterance.alignment}
