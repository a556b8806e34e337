"""Compare codebooks of 8 bits for points of the plane: every method, with and without replacement of dead codes."""

import argparse
from pathlib import Path

from vqspeech.commands.study import StudyTables, add_study_arguments
from vqspeech.data.toys import TOYS
from vqspeech.metrics.reports.pictures import save_figure
from vqspeech.studies import findings, pictures
from vqspeech.studies.toy import CODES, HELD_OUT, METHODS, POINTS, REPLACEMENTS, ToyStudy

EXAMPLE = "vqspeech study toy --out exp/toy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech study toy`."""
    add_study_arguments(parser, steps=1000, batch=256, items="points")


def run(args: argparse.Namespace) -> int:
    """Make the missing runs, write tables and picture, and print the tables."""
    out = Path(args.out)
    study = ToyStudy(out, args.seeds, args.steps, args.batch)
    study.run()
    tables = StudyTables(out, "scipy")
    tables.add(
        "toy",
        study.tabulate(),
        f"{CODES} codes, all methods start from the same normal noise; {args.steps} steps of {args.batch} of "
        f"{POINTS} points; error, in thousandths, and dead codes on {HELD_OUT} other points; mean and 95 % interval "
        f"(Student) over {args.seeds} seeds",
        "replacement: by vectors, of codes below 0.05 of the uniform share; by its authors' code, of codes used in "
        "fewer than 0.01 of the last 100 batches, by copies of active codes, except in the last 200 steps; by batches "
        "(ours, after it), of codes with fewer uses than 0.05 of the last 100 batches, by active codes in proportion "
        "to their use; never",
        "encoder and decoder are the identity, so the gradient of NSVQ's loss, ‖z − e‖² for any noise, is that of the "
        "codebook loss of eq. 3: with the same replacement, they are the same method except for the noise of "
        "replaced codes",
    )
    differences = "differences of mean squared errors, in thousandths"
    tables.add("toy: findings", study.tabulate_findings(), *findings.NOTES, differences)
    books = study.load_codebooks()
    shown = {
        (toy, method, f"replaced {policy}"): books[toy, f"{method}, {policy}"]
        for toy in TOYS for policy in REPLACEMENTS for method in METHODS
    }  # fmt: skip
    points = {toy: draw(POINTS, 0) for toy, draw in TOYS.items()}
    save_figure(pictures.draw_codebooks(points, shown), out / "pictures" / "toy.png")
    tables.print(args.json)
    return 0
