"""Codebooks of 8 bits on points of the plane: every method, with and without replacement of dead codes."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import output_folder, positive_int
from vqspeech.data.toys import TOYS
from vqspeech.metrics import pictures, report, scores
from vqspeech.studies import findings
from vqspeech.studies import pictures as study_pictures
from vqspeech.studies.toy import CODES, HELD_OUT, METHODS, POINTS, REPLACEMENTS, ToyStudy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech study toy`."""
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of runs, scores.json and pictures/"
    )
    parser.add_argument("--seeds", type=positive_int, default=5, metavar="N", help="seeds (default: %(default)s)")
    parser.add_argument("--steps", type=positive_int, default=1000, metavar="N", help="steps (default: %(default)s)")
    parser.add_argument("--batch", type=positive_int, default=256, metavar="N", help="points (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Makes the runs that are missing, writes tables and picture, and prints the tables."""
    out = Path(args.out)
    study = ToyStudy(out, args.seeds, args.steps, args.batch)
    study.run()
    notes = [
        f"{CODES} codes, all methods set out from the same normal noise; {args.steps} steps of {args.batch} of "
        f"{POINTS} points; error, in thousandths, on {HELD_OUT} other points, of which dead codes get none; mean and "
        f"95 % interval (Student) over {args.seeds} seeds",
        "replacement: by vectors, below 0.05 of the uniform share; by its authors' code, used in fewer than 0.01 of "
        "the last 100 batches, copies of the codes that live, not in the last 200 steps; by batches, ours after it, "
        "fewer uses than 0.05 of the last 100 batches, beside codes that live, as often as they are used; never",
        "encoder and decoder are the identity, so the gradient of NSVQ's loss, ‖z − e‖² for any noise, is that of the "
        "codebook loss of eq. 3: where the two are replaced alike, they are the same method but for the noise in what "
        "replaces",
    ]  # fmt: skip
    scores.add_rows(out / "scores.json", "toy", study.table(), notes=notes, seed=0, packages=["scipy"])
    heading = [*findings.NOTES, "differences of mean squared errors, in thousandths"]
    scores.add_rows(out / "scores.json", "toy: findings", study.findings(), notes=heading, seed=0, packages=["scipy"])
    books = study.codebooks()
    shown = {
        (toy, method, f"replaced {policy}"): books[toy, f"{method}, {policy}"]
        for toy in TOYS for policy in REPLACEMENTS for method in METHODS
    }  # fmt: skip
    points = {toy: draw(POINTS, 0) for toy, draw in TOYS.items()}
    pictures.save(study_pictures.codebooks(points, shown), out / "pictures" / "toy.png")
    for section in scores.read(out / "scores.json")["sections"].values():
        print(report.table(section["rows"]))
    return 0
