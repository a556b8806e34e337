"""The weight β of the commitment loss, from 0.1 to 2, in small VQ-VAEs of handwritten digits."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import output_folder, positive_int
from vqspeech.metrics import pictures, report, scores
from vqspeech.studies import findings
from vqspeech.studies import pictures as study_pictures
from vqspeech.studies.beta import CODES, SIZES, TOLERANCE, BetaStudy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech study beta`."""
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of runs, scores.json and pictures/"
    )
    parser.add_argument("--seeds", type=positive_int, default=5, metavar="N", help="seeds (default: %(default)s)")
    parser.add_argument("--steps", type=positive_int, default=1000, metavar="N", help="steps (default: %(default)s)")
    parser.add_argument("--batch", type=positive_int, default=64, metavar="N", help="digits (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Makes the runs that are missing, writes table and picture, and prints the tables."""
    out = Path(args.out)
    study = BetaStudy(out, args.seeds, args.steps, args.batch)
    study.run()
    notes = [
        f"handwritten digits of 8 x 8 pixels, {SIZES['codes_each']} codes each out of {CODES}; {args.steps} steps of "
        f"{args.batch}; on 359 held-out digits; mean and 95 % interval (Student) over {args.seeds} seeds",
        "eq. 3: the paper's setting, no code revived and none from k-means; gradient, EMA: from k-means of the first "
        "batch, dead codes revived, another setting than the paper's",
        "error: mean squared, as a share of the variance, and so it stands in the loss; the commitment loss is a mean "
        "over vectors and dimensions",
    ]
    scores.add_rows(out / "scores.json", "beta", study.table(), notes=notes, seed=0)
    same = f"the same: within {100 * TOLERANCE:g} % of the error at β = 0.25; differences in percent of the variance"
    heading = [*findings.NOTES, same]
    scores.add_rows(out / "scores.json", "beta: findings", study.findings(), notes=heading, seed=0)
    title = "held-out error by weight of the commitment loss"
    figure = study_pictures.curves(title, "β", study.lines(), "% of variance")
    pictures.save(figure, out / "pictures" / "beta.png")
    for section in scores.read(out / "scores.json")["sections"].values():
        print(report.table(section["rows"]))
    return 0
