"""The score of a units file."""

import argparse
from collections.abc import Generator
from pathlib import Path

from vqspeech.commands.arguments import output_folder
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units, read_units
from vqspeech.metrics.evaluations.units import ABX, PHONES, UnitScores, score_units
from vqspeech.metrics.measures import abx
from vqspeech.metrics.reports import scores, unit_report
from vqspeech.progress import report


def measure(args: argparse.Namespace) -> Generator[Table, None, int]:
    """Measure units; the exit status is 3 where utterances were skipped."""
    units, data = read_units(args.units), DataDir.read(args.data)
    compared = abx.compare_vectors(units, args.model) if args.model else None
    found = score_units(units, data, args.seed, args.nj, compared, args.abx)
    model = f"model {units.model}, {units.sha256[:12]}"
    for name, table in found.tables.items():
        packages = ["numba"] if name == ABX else []
        yield Table(table.rows, [model, *table.notes], name, seed=args.seed, packages=packages)
    if PHONES not in found.tables:
        report("no utterance has an alignment that can be read, so nothing is said of phones; list them in utt2ali")
    if args.report:
        _write_report(args, units, data, found)
    return found.skipped.status(len(units.codes))


def _write_report(args: argparse.Namespace, units: Units, data: DataDir, found: UnitScores) -> None:
    folder, written = Path(args.report), scores.read(args.out)["sections"]
    names = [f"{args.section}: {name}" if name else args.section for name in found.tables]
    drawn = unit_report.draw_pictures(folder / "pictures", units, data, found.aligned)
    unit_report.write_textgrids(folder / "textgrids", data, found.aligned)
    sections = {name: written[name] for name in names}
    unit_report.write_page(folder / "report.html", f"Units of {units.model}", sections, drawn)
    if not args.json:
        print(folder / "report.html")


SCORE = Score(
    "units",
    "Measure units: what they tell of phones and speakers, boundaries, bit rate, codes used, ABX.",
    measure,
    arguments=[
        argument("--units", required=True, metavar="UNITS", help="units file, as made by vqspeech encode"),
        argument("--data", required=True, metavar="DATA", help="data directory with utt2ali (phone alignments)"),
        argument("--abx", action="store_true", help="ABX too: seconds an hour of speech, once compiled"),
        argument(
            "--model",
            metavar="FILE",
            help="checkpoint that made the units; ABX then measures angles of its code vectors",
        ),
        argument(
            "--report",
            type=output_folder,
            metavar="DIR",
            help="write report.html, pictures and TextGrids with the codes there too",
        ),
    ],
    columns=unit_report.MEANING,
    example="vqspeech score units --units exp/units/test.txt --data data/test --out exp/scores.json",
    section=True,
    seed=True,
    nj=True,
    headings=True,
)
