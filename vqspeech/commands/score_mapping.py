"""The score of several models' units beside each other."""

import argparse
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.data.features import read_features
from vqspeech.data.units import Units, read_units, require_same_codes
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.metrics.aligned import Aligned, collect_utterances
from vqspeech.metrics.evaluations import mapping
from vqspeech.metrics.measures import abx
from vqspeech.metrics.measures.bootstrap import has_enough_speakers, redraw_speakers
from vqspeech.models import checkpoint


def measure(args: argparse.Namespace) -> Generator[Table, None, int]:
    """Fit each model's map on one part and score it on another; the exit status is 3 where utterances were skipped."""
    models, notes, skipped = {}, [], Skipped()
    data = [DataDir.read(path) for _, path in (args.fit, args.score)]
    for folder in map(Path, args.experiments):
        units = [read_units(folder / "units" / f"{part}.txt") for part, _ in (args.fit, args.score)]
        require_same_codes(units[1].description, units[0].description, str(folder / "units" / f"{args.score[0]}.txt"))
        fitted, scored = (collect_utterances(*pair, args.nj) for pair in zip(units, data, strict=True))
        skipped.reasons |= fitted.skipped.reasons | scored.skipped.reasons
        models[folder.name] = mapping.Parts(fitted.utterances, scored.utterances, units[0].size, units[0].stages)
        notes.append(f"{folder.name}: {units[0].size} codes at {units[0].rate:g} Hz, {_learned(folder)}")
    baseline = next(iter(models))
    first = models[baseline]
    speakers = [one.speaker for one in first.scored]
    redrawn = redraw_speakers(speakers).words
    notes += [
        (
            f"map fitted to {_described(first.fitted)} of {args.fit[1]}, scored on {_described(first.scored)} of "
            f"{args.score[1]}; the paper's way: fitted to what it is scored on"
        ),
        f"above {baseline}: speech only, both redrawn together",
        redrawn,
    ]
    if any(len(parts.stages) > 1 for parts in models.values()):
        notes.append("codes of several stages that the map was not told are taken for what their first stage is")
    yield Table(mapping.make_rows(models, baseline), notes, seed=0)
    yield Table(mapping.make_code_rows(models), [*_CODE_NOTES, redrawn], "codes", seed=0)
    if args.abx:
        jackknife = f"intervals: jackknife over {_jackknifed(speakers)}"
        yield Table(_abx_rows(args, data[1], first.scored), [*_ABX_NOTES, jackknife], "ABX", seed=0, packages=["numba"])
    return skipped.status(len(first.scored))


_CODE_NOTES = [
    (
        "PNMI: mutual information of codes and phones, as a share of the phones' entropy, on speech except where "
        "silence is named"
    ),
    (
        "speaker told: share of pieces of 3 s or more whose speaker a logistic regression tells from the share of each "
        "code, fitted to the other half of the utterances; low is good"
    ),
]
_ABX_NOTES = [
    (
        "error, 0 is perfect, 1/2 chance, of triphones; distance: mean angle along the best warping path, of code "
        "vectors (equal or not where the model is not at hand) or features; MFCC: 13 and two differences at 100 Hz, "
        "normalised over the speech of each recording"
    ),
    (
        f"at most {abx.TOKENS} tokens of a sound in a context by a speaker, X by at most {abx.OTHERS} other speakers "
        "for each A, drawn at random"
    ),
]


def _jackknifed(speakers: Sequence[str]) -> str:
    left_out = "speakers" if has_enough_speakers(speakers) else "utterances"
    return f"{left_out}, of {len(set(speakers))} speakers"


def _abx_rows(args: argparse.Namespace, data: DataDir, scored: Sequence[Aligned]) -> list[dict]:
    """Return a row for MFCC, and one for the codes and the features of each experiment."""
    part, rows = args.score[0], []
    items = [data[one.name] for one in scored]
    found = run_jobs(abx.compute_mfcc, items, args.nj, "MFCC")
    heard = {one.id: frames for one, frames, error in found if error is None}
    rows.append(_abx_row("MFCC", abx.number_frames(heard), 100.0, data, args))
    for folder in map(Path, args.experiments):
        units = read_units(folder / "units" / f"{part}.txt")
        model = next((one for one in (folder / f"best{checkpoint.SUFFIX}", Path(units.model)) if one.is_file()), None)
        compared = abx.compare_vectors(units, str(model)) if model else abx.compare_codes(units)
        rows.append(_abx_row(folder.name, compared, units.rate, data, args))
        if (features := folder / "features" / part).is_dir():
            vectors, about = read_features(features, units.codes)
            rows.append(_abx_row(f"{folder.name}, features", abx.number_frames(vectors), about.rate_hz, data, args))
    return rows


def _abx_row(name: str, compared: abx.Compared, rate: float, data: DataDir, args: argparse.Namespace) -> dict:
    codes, distances = compared
    size = 1 + max(int(one.max()) for one in codes.values())
    utterances = collect_utterances(Units(codes, rate, size, name, ""), data, args.nj).utterances
    return mapping.make_abx_row(name, utterances, distances, nj=args.nj)


def _learned(folder: Path) -> str:
    """Describe how the model of an experiment was trained."""
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


_PART: dict[str, Any] = {"nargs": 2, "required": True, "metavar": ("PART", "DATA")}
SCORE = Score(
    "mapping",
    "Measure several models' units beside each other: what phone each code is, learned on one part and scored on "
    "another.",
    measure,
    about="An experiment has its units in EXP/units/PART.txt, as the recipes put them there, and the features of its "
    "encoder, if ABX is to compare these, too, in EXP/features/PART (`vqspeech encode --features`).",
    arguments=[
        argument("experiments", nargs="+", metavar="EXP", help="experiment folder; the first is the baseline"),
        argument("--fit", **_PART, help="part the maps are fitted to, and its data directory with utt2ali"),
        argument("--score", **_PART, help="part they are scored on, best of other speakers, and its data"),
        argument(
            "--abx", action="store_true", help="ABX of triphones too, by codes, by features, and by MFCC: minutes"
        ),
    ],
    columns={
        "with silence": "share of all frames whose phone is that of their code",
        "speech only": "the same of frames that are neither silence nor noise",
        "PNMI": "mutual information of codes and phones, as a share of the phones' entropy",
        "speaker told": "share of pieces of speech whose speaker a classifier tells; chance is perfect",
    },
    example="vqspeech score mapping exp/a exp/b --fit dev data/dev --score test data/test --out exp/scores.json",
    section=True,
    nj=True,
    headings=True,
    print_notes=False,
)
