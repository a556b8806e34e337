"""The score of a prior on units."""

import argparse
from collections.abc import Generator

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.code_windows import find_speakers
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units, read_units, require_same_codes
from vqspeech.metrics.evaluations import prior as evaluation
from vqspeech.metrics.measures.bootstrap import redraw_speakers
from vqspeech.models.prior import LatentPrior


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure the bits of units under the prior and simpler models; bits of each utterance go to the details."""
    prior = LatentPrior.from_pretrained(args.prior)
    units = _read_units(args.units, prior)
    data = [DataDir.read(path) for path in args.data]
    voices = find_speakers(units, data)
    ngrams, learned = None, {}
    if args.train:
        train, dev = _read_units(args.train, prior), _read_units(args.dev, prior) if args.dev else None
        ngrams = evaluation.fit_ngrams(
            train, find_speakers(train, data), dev, find_speakers(dev, data) if dev else None
        )
        some = evaluation.spread_utterances(train, len(units.codes))
        learned = evaluation.measure_bits(prior, some, find_speakers(some, data), ngrams)
    held = evaluation.measure_bits(prior, units, voices, ngrams)
    redrawn = redraw_speakers([voices.get(name) for name in units.codes])
    details = [
        {"utterance": name, "codes": len(bits), "bits/code": bits.mean(), "bits/s": bits.mean() * units.rate}
        for name, bits in zip(units.codes, evaluation.select_prior_bits(held), strict=True)
    ]
    notes = [
        (
            f"{args.units}: {len(units.codes)} utterances, {sum(map(len, units.codes.values()))} of {units.size} codes "
            f"at {units.rate:g} Hz; every code given all before it; {redrawn.words}"
        ),
        f"{prior.config['prior']['name']}, {sum(p.numel() for p in prior.parameters()):,} parameters",
    ]
    if ngrams is not None:
        notes += [f"n-grams fitted to {args.train}; learned from: as many utterances of it, spread evenly"]
        notes += ngrams.notes
    yield Table(evaluation.make_rows(held, learned, units.rate, redrawn.groups), notes, details=details)


def _read_units(path: str, prior: LatentPrior) -> Units:
    """Return the units of a file. Raises `UnitsError` where they are of other codes than the prior's."""
    units = read_units(path)
    require_same_codes(units.description, prior.units, path)
    return units


SCORE = Score(
    "prior",
    "Measure a prior on units: bits a code and a second, beside the uniform distribution and n-grams.",
    measure,
    arguments=[
        argument("--prior", required=True, metavar="FILE", help="checkpoint of `vqspeech prior`"),
        argument("--units", required=True, metavar="UNITS", help="units file of any recordings"),
        argument("--train", metavar="UNITS", help="what the prior has learned from: fits the n-grams, shows the gap"),
        argument(
            "--dev",
            metavar="UNITS",
            help="other units, which choose the order of the n-grams (default: a tenth of --train)",
        ),
        argument("--data", nargs="+", default=[], metavar="DATA", help="data directories of all, to tell who speaks"),
    ],
    columns={
        "bits/code, held out": "mean -log2 p of a code given those before it",
        "bits/s, held out": "the same times the codes a second",
        "bits/code, learned from": "of utterances that were trained on",
        "gap": "the difference of the two: what is known by heart",
    },
    example="vqspeech score prior --prior exp/prior/best.safetensors --units exp/units/test.txt --out exp/scores.json",
    section=True,
)
