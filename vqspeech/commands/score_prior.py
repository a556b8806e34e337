"""Measure a prior on units: bits a code and a second, beside the uniform distribution and n-grams."""

import argparse

from vqspeech.commands.arguments import scores_file
from vqspeech.data.code_windows import find_speakers
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units, read_units, require_same_codes
from vqspeech.metrics import prior as measures
from vqspeech.metrics import report, scores
from vqspeech.metrics.bootstrap import redraw
from vqspeech.models.prior import LatentPrior


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score prior`."""
    parser.add_argument("--prior", required=True, metavar="FILE", help="checkpoint of `vqspeech prior`")
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file of any recordings")
    parser.add_argument(
        "--train", metavar="UNITS", help="what the prior has learned from: fits the n-grams, shows the gap"
    )
    parser.add_argument(
        "--dev",
        metavar="UNITS",
        help="other units, which choose the order of the n-grams (default: a tenth of --train)",
    )
    parser.add_argument(
        "--data", nargs="+", default=[], metavar="DATA", help="data directories of all, to tell who speaks"
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--section", default="prior", metavar="NAME", help="section in it (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section and prints it; bits of each utterance go to its details."""
    prior = LatentPrior.from_pretrained(args.prior)
    units = _units(args.units, prior)
    data = [DataDir.read(path) for path in args.data]
    voices = find_speakers(units, data)
    ngrams, learned = None, {}
    if args.train:
        train, dev = _units(args.train, prior), _units(args.dev, prior) if args.dev else None
        ngrams = measures.fit_ngrams(train, find_speakers(train, data), dev, find_speakers(dev, data) if dev else None)
        some = measures.spread(train, len(units.codes))
        learned = measures.held_out_bits(prior, some, find_speakers(some, data), ngrams)
    held = measures.held_out_bits(prior, units, voices, ngrams)
    drawn = redraw([voices.get(name) for name in units.codes])
    details = [
        {"utterance": name, "codes": len(bits), "bits/code": bits.mean(), "bits/s": bits.mean() * units.rate}
        for name, bits in zip(units.codes, measures.best_of(held), strict=True)
    ]
    notes = [
        f"{args.units}: {len(units.codes)} utterances, {sum(map(len, units.codes.values()))} of {units.size} codes at "
        f"{units.rate:g} Hz; every code given all before it; {drawn.words}",
        f"{prior.config['prior']['name']}, {sum(p.numel() for p in prior.parameters()):,} parameters",
    ]
    if ngrams is not None:
        notes += [f"n-grams fitted to {args.train}; learned from: as many utterances of it, spread evenly"]
        notes += ngrams.notes
    rows = measures.rows(held, learned, units.rate, drawn.groups)
    scores.add_rows(args.out, args.section, rows, notes=notes, details=details)
    print(report.table(scores.read(args.out)["sections"][args.section]["rows"]), *notes, sep="\n")
    return 0


def _units(path: str, prior: LatentPrior) -> Units:
    """The units of a file. Raises `UnitsError` where they are of other codes than the prior's."""
    units = read_units(path)
    require_same_codes(units.description, prior.units, path)
    return units
