"""Measure units: what they tell of phones and speakers, boundaries, bit rate, codes used, ABX."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import non_negative_int, output_folder, positive_int, scores_file
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units
from vqspeech.metrics import abx, report, scores, unit_report
from vqspeech.metrics import units as unit_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score units`."""
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file, as made by vqspeech encode")
    parser.add_argument("--data", required=True, metavar="DATA", help="data directory with utt2ali (phone alignments)")
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--section", default="units", metavar="NAME", help="section in it (default: %(default)s)")
    parser.add_argument("--abx", action="store_true", help="ABX too: seconds an hour of speech, once compiled")
    parser.add_argument(
        "--model", metavar="FILE", help="checkpoint that made the units; ABX then measures angles of its code vectors"
    )
    parser.add_argument(
        "--report",
        type=output_folder,
        metavar="DIR",
        help="write report.html, pictures and TextGrids with the codes there too",
    )
    parser.add_argument(
        "--seed", type=non_negative_int, default=0, metavar="N", help="of everything drawn (default: %(default)s)"
    )
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the sections NAME, "NAME: phones" … and prints them; exit status 3 where utterances were skipped."""
    units, data = read_units(args.units), DataDir.read(args.data)
    compared = abx.by_model(units, args.model) if args.model else None
    found = unit_metrics.report(units, data, args.seed, args.nj, compared, args.abx)
    model = f"model {units.model}, {units.sha256[:12]}"
    sections = {}
    for name, table in found.tables.items():
        section = f"{args.section}: {name}" if name else args.section
        packages = ["numba"] if name == unit_metrics.ABX else []
        scores.add_rows(args.out, section, table.rows, notes=[model, *table.notes], seed=args.seed, packages=packages)
        sections[section] = scores.read(args.out)["sections"][section]
        print(f"{section}\n\n{report.table(sections[section]['rows'])}\n\n" + "\n".join(table.notes), end="\n\n")
    if unit_metrics.PHONES not in found.tables:
        print("no utterance has an alignment that can be read, so nothing is said of phones; list them in utt2ali")
    if args.report:
        folder = Path(args.report)
        drawn = unit_report.draw(folder / "pictures", units, data, found.aligned)
        unit_report.write_textgrids(folder / "textgrids", data, found.aligned)
        unit_report.write_page(folder / "report.html", f"Units of {units.model}", sections, drawn)
        print(folder / "report.html")
    return found.skipped.status(len(units.codes))
