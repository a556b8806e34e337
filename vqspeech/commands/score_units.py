"""The score of a units file."""

import argparse
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech.commands.arguments import output_folder
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.data.sharding import Share
from vqspeech.data.units import Units, read_units, require_common_utterances
from vqspeech.metrics.evaluations.units import ABX, PHONES, Observed, UnitScores, observe_utterances, score_units
from vqspeech.metrics.measures import abx
from vqspeech.metrics.reports import scores, unit_report
from vqspeech.metrics.reports.items import write_items
from vqspeech.progress import report


def observe(args: argparse.Namespace, share: Share) -> Iterator[dict[str, Any]]:
    """Yield what is read of each utterance of a share, as JSON has it."""
    units, data = read_units(args.units), DataDir.read(args.data)
    require_common_utterances(units, data)
    chosen = share.select([data[name] for name in units.codes if name in data])
    names = {one.id for one in chosen}
    for one in observe_utterances(units, data, share.skipped, args.nj, names):
        yield one.as_json()


def measure(
    args: argparse.Namespace, observed: Sequence[Mapping[str, Any]] | None = None
) -> Generator[Table, None, int]:
    """Measure units; the exit status is 3 where utterances were skipped. `observed` is what `observe` yielded."""
    units, data = read_units(args.units), DataDir.read(args.data)
    compared = abx.compare_vectors(units, args.model) if args.model else None
    read = None if observed is None else [Observed.from_json(one) for one in observed]
    found = score_units(units, data, args.seed, args.nj, compared, args.abx, read)
    model = f"model {units.model}, {units.sha256[:12]}"
    for name, table in found.tables.items():
        packages = ["numba"] if name == ABX else []
        yield Table(table.rows, [model, *table.notes], name, seed=args.seed, packages=packages)
    if PHONES not in found.tables:
        report("no utterance has an alignment that can be read, so nothing is said of phones; list them in utt2ali")
    if args.items:
        write_items(Path(args.items), found.aligned)
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
            "--items",
            type=output_folder,
            metavar="DIR",
            help="write the tokens of ABX there, triphones.item and phones.item, for fastabx",
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
    observe=observe,
)
