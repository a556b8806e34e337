"""Vary the weight β of the commitment loss, from 0.1 to 2, in small VQ-VAEs of handwritten digits."""

import argparse
from pathlib import Path

from vqspeech.commands.study import StudyTables, add_study_arguments
from vqspeech.metrics.reports.pictures import save_figure
from vqspeech.studies import findings, pictures
from vqspeech.studies.beta import CODES, SIZES, TOLERANCE, BetaStudy

EXAMPLE = "vqspeech study beta --out exp/beta"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech study beta`."""
    add_study_arguments(parser, steps=1000, batch=64, items="digits")


def run(args: argparse.Namespace) -> int:
    """Make the missing runs, write tables and picture, and print the tables."""
    out = Path(args.out)
    study = BetaStudy(out, args.seeds, args.steps, args.batch)
    study.run()
    tables = StudyTables(out)
    tables.add(
        "beta",
        study.tabulate(),
        f"handwritten digits of 8 x 8 pixels, {SIZES['codes_each']} codes each out of {CODES}; {args.steps} steps of "
        f"{args.batch}; on 359 held-out digits; mean and 95 % interval (Student) over {args.seeds} seeds",
        "eq. 3: the paper's setting, without revival and k-means; gradient, EMA: started by k-means of the first "
        "batch, dead codes revived, unlike the paper",
        "error: mean squared error as a share of the variance, as in the loss; the commitment loss is a mean over "
        "vectors and dimensions",
    )
    same = f"the same: within {100 * TOLERANCE:g} % of the error at β = 0.25; differences in percent of the variance"
    tables.add("beta: findings", study.tabulate_findings(), *findings.NOTES, same)
    title = "held-out error by weight of the commitment loss"
    figure = pictures.draw_curves(title, "β", study.estimate_curves(), "error (% of variance)")
    save_figure(figure, out / "pictures" / "beta.png")
    tables.print(args.json)
    return 0
