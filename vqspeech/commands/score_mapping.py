"""Measure several models' units beside each other: what phone each code is, learned on one part and scored on another.

An experiment has its units in EXP/units/PART.txt, as the recipes put them there.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vqspeech import audio
from vqspeech.commands.numbers import positive
from vqspeech.commands.outputs import scores_file
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import read_units, require_same
from vqspeech.jobs import Skipped
from vqspeech.metrics import mapping, report, scores
from vqspeech.metrics.aligned import Aligned, collection
from vqspeech.models import checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score mapping`."""
    both = {"nargs": 2, "required": True, "metavar": ("PART", "DATA")}
    parser.add_argument("experiments", nargs="+", metavar="EXP", help="experiment folder; the first is the baseline")
    parser.add_argument("--fit", **both, help="part the maps are fitted to, and its data directory with utt2ali")
    parser.add_argument("--score", **both, help="part they are scored on, best of other speakers, and its data")
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--section", default="mapping", metavar="NAME", help="section in it (default: %(default)s)")
    parser.add_argument("--nj", type=positive, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section and prints it; exit status 3 where utterances were skipped."""
    models, notes, skipped = {}, [], Skipped()
    data = [DataDir.read(path) for _, path in (args.fit, args.score)]
    for folder in map(Path, args.experiments):
        units = [read_units(folder / "units" / f"{part}.txt") for part, _ in (args.fit, args.score)]
        require_same(units[1].described, units[0].described, str(folder / "units" / f"{args.score[0]}.txt"))
        fitted, scored = (collection(*pair, args.nj) for pair in zip(units, data, strict=True))
        skipped.reasons |= fitted.skipped.reasons | scored.skipped.reasons
        models[folder.name] = mapping.Parts(fitted.utterances, scored.utterances, units[0].size)
        notes.append(f"{folder.name}: {units[0].size} codes at {units[0].rate:g} Hz, {_learned(folder)}")
    baseline = next(iter(models))
    first = models[baseline]
    notes += [
        f"map fitted to {_described(first.fitted)} of {args.fit[1]}, scored on {_described(first.scored)} of "
        f"{args.score[1]}; the paper's way: fitted to what it is scored on",
        f"above {baseline}: speech only, both redrawn together",
    ]
    scores.add_rows(args.out, args.section, mapping.rows(models, baseline), notes=notes, seed=0)
    print(report.table(scores.read(args.out)["sections"][args.section]["rows"]))
    return skipped.status(len(first.scored))


def _learned(folder: Path) -> str:
    """How the model of an experiment was trained."""
    path = folder / f"best{checkpoint.SUFFIX}"
    if not path.is_file():
        return f"no {path.name}, so nothing is said of its training"
    about = checkpoint.read(path, "none.")[1]
    if "figures" not in about:
        return "does not say how it was trained"
    seen = about["figures"]["samples_seen"]
    return f"step {about['step']}, {seen:,.0f} samples seen ({seen / audio.RATE / 3600:.1f} h)"


def _described(utterances: Sequence[Aligned]) -> str:
    return f"{len(utterances)} utterances of {len({one.speaker for one in utterances})} speakers"
