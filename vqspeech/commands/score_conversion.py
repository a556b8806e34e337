"""Judge voice conversion: intelligibility, voice, quality, pitch."""

import argparse
from functools import partial

from vqspeech.commands.numbers import positive
from vqspeech.commands.outputs import scores_file
from vqspeech.data.datadir import DataDir, combine
from vqspeech.metrics import conversion, judges, report, scores


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
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument(
        "--section", default="conversion", metavar="NAME", help="section in it (default: %(default)s); pitch and "
        'spectrum go to "NAME: pitch and spectrum"'
    )  # fmt: skip
    parser.add_argument(
        "--enrol", type=positive, default=10, metavar="N", help="recordings that make a voice (default: %(default)s)"
    )
    for option, default, what in (
        ("--asr", judges.ASR, "speech recogniser"),
        ("--verifier", judges.VERIFIER, "speaker model"),
        ("--rater", judges.RATER, "judge of quality"),
    ):
        parser.add_argument(
            option, default=default, metavar="MODULE:CLASS", help=f"another {what} (default: %(default)s); "
            "vqspeech/metrics/judges.py shows how one is written"
        )  # fmt: skip
    parser.add_argument("--nj", type=positive, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the sections, prints their tables; exit status 3 where clips were skipped."""
    make_judges = partial(judges.judges, args.asr, args.verifier, args.rater)
    found = conversion.scored(
        combine([DataDir.read(path) for path in args.data]),
        args.converted,
        DataDir.read(args.targets_data),
        args.reconstructed,
        enrol=args.enrol,
        nj=args.nj,
        make_judges=make_judges,
    )
    second = f"{args.section}: pitch and spectrum"
    packages = make_judges().packages
    scores.add_rows(
        args.out, args.section, found.rows, notes=found.notes, details=found.details, seed=0,
        packages=[*packages, "jiwer"]
    )  # fmt: skip
    scores.add_rows(
        args.out, second, found.pitch_rows, notes=found.pitch_notes, seed=0, packages=["pyworld-prebuilt"]
    )  # fmt: skip
    sections = scores.read(args.out)["sections"]
    print(f"{report.table(sections[args.section]['rows'])}\n\n{report.table(sections[second]['rows'])}")
    return found.skipped.status(len(found.details))
