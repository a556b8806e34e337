"""The score of an alignment against another of the same utterances."""

import argparse
from collections.abc import Generator

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.metrics.evaluations.alignment import RATE, score_alignments
from vqspeech.metrics.measures.bootstrap import redraw_speakers


def measure(args: argparse.Namespace) -> Generator[Table, None, int]:
    """Compare the alignments of two data directories; the exit status is 3 where some cannot be read."""
    found, reference = (_alignments(path) for path in (args.data, args.reference))
    speakers = {utterance.id: utterance.speaker for utterance in DataDir.read(args.data)}
    rows, count, skipped = score_alignments(found, reference, args.nj, speakers)
    read = [name for name in found if name in reference and name not in skipped.reasons]
    notes = [
        (
            f"{count} utterances of {args.data} against {args.reference}; phones are matched by least edits, "
            "boundaries compared where both phones beside them are matched and neighbours; positive: later than the "
            f"reference; {redraw_speakers([speakers[name] for name in read]).words}"
        ),
        (
            f"time with the same phone: of the frames at {RATE} Hz that have a phone in the reference, the share "
            "with the same one; in the second row of its speech, in the third of its pauses"
        ),
    ]
    if count:
        yield Table(rows, notes, seed=0, packages=("pocketsphinx",))
    return skipped.status(count)


def _alignments(path: str) -> dict[str, str]:
    return {utterance.id: utterance.alignment for utterance in DataDir.read(path) if utterance.alignment}


SCORE = Score(
    "alignment",
    "Measure an alignment against another of the same utterances, such as exact or hand-made phone times.",
    measure,
    arguments=[
        argument("--data", required=True, metavar="DATA", help="data directory with utt2ali"),
        argument("--reference", required=True, metavar="DATA", help="data directory with the right utt2ali"),
    ],
    columns={
        "median error (ms)": "median distance of a boundary from that of the reference",
        "median, signed (ms)": "the same with its sign, positive where it comes later",
        "within 20 ms": "share of the boundaries that are so near",
        "boundaries compared": "share of the reference's boundaries that have a counterpart",
        "time with the same phone": "share of the frames whose phone is that of the reference",
    },
    example="vqspeech score alignment --data data/dev --reference data/dev_exact --out exp/scores.json",
    section=True,
    nj=True,
    print_notes=False,
)
