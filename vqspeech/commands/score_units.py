"""Measure units: what they tell of the phones, bit rate, codes used."""

import argparse

from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.metrics import report, scores
from vqspeech.metrics import units as unit_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score units`."""
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file, as made by vqspeech encode")
    parser.add_argument("--data", required=True, metavar="DATA", help="data directory with utt2ali (phone alignments)")
    parser.add_argument("--out", required=True, metavar="JSON", help="scores file; its other sections are kept")
    parser.add_argument("--section", default="units", metavar="NAME", help="section in it (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of shuffling (default: %(default)s)")
    parser.add_argument("--nj", type=int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the sections NAME and "NAME: phones" and prints both; exit status 3 where alignments cannot be read."""
    units = read_units(args.units)
    found = unit_report.report(units, DataDir.read(args.data), args.seed, args.nj)
    sections = {args.section: found.codes, f"{args.section}: phones": found.phones}
    notes = [f"model {units.model}, {units.sha256[:12]}", *found.notes]
    for section, rows in sections.items():
        if rows:
            scores.add_rows(args.out, section, rows, notes=notes, seed=args.seed)
            print(report.table(scores.read(args.out)["sections"][section]["rows"]), end="\n\n")
    print("\n".join(notes))
    if not found.phones:
        print("no utterance has an alignment that can be read, so nothing is said of phones; list them in utt2ali")
    return found.skipped.status(len(units.codes))
