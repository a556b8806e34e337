"""Measure a prior on units: bits a code and a second, beside the uniform distribution, unigram and trigram."""

import argparse

from vqspeech.commands.outputs import scores_file
from vqspeech.data.code_windows import speakers_of
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units, require_same
from vqspeech.metrics import prior as measures
from vqspeech.metrics import report, scores
from vqspeech.models.prior import LatentPrior


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score prior`."""
    parser.add_argument("--prior", required=True, metavar="FILE", help="checkpoint of `vqspeech prior`")
    parser.add_argument("--units", required=True, metavar="UNITS", help="units file of any recordings")
    parser.add_argument(
        "--train", metavar="UNITS", help="what the prior has learned from: fits the n-grams, shows the gap"
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
    prior, units = LatentPrior.from_pretrained(args.prior), read_units(args.units)
    require_same(units.described, prior.units, args.units)
    data = [DataDir.read(path) for path in args.data]
    train, learned = None, {}
    if args.train:
        train = read_units(args.train)
        require_same(train.described, prior.units, args.train)
        some = measures.spread(train, len(units.codes))
        learned = measures.held_out_bits(prior, some, speakers_of(some, data), train)
    held = measures.held_out_bits(prior, units, speakers_of(units, data), train)
    details = [
        {"utterance": name, "codes": len(bits), "bits/code": bits.mean(), "bits/s": bits.mean() * units.rate}
        for name, bits in zip(units.codes, held[measures.PRIOR], strict=True)
    ]
    notes = [
        f"{args.units}: {len(units.codes)} utterances, {sum(map(len, units.codes.values()))} of {units.size} codes at "
        f"{units.rate:g} Hz; every code given all before it; intervals over utterances",
        f"{prior.config['prior']['name']}, {sum(p.numel() for p in prior.parameters()):,} parameters",
    ]
    if train is not None:
        notes.append(f"n-grams fitted to {args.train}; learned from: as many utterances of it, spread evenly")
    scores.add_rows(
        args.out, args.section, measures.rows(held, learned, units.rate), notes=notes, details=details
    )  # fmt: skip
    print(report.table(scores.read(args.out)["sections"][args.section]["rows"]), *notes, sep="\n")
    return 0
