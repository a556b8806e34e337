"""The score of voice conversion."""

import argparse
import math
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from vqspeech.commands.arguments import number
from vqspeech.commands.loading import add_model_argument, find_model, load_model
from vqspeech.commands.scoring import Argument, Score, Table, argument
from vqspeech.data.datadir import DataDir, combine
from vqspeech.errors import ConfigError
from vqspeech.jobs import Skipped
from vqspeech.metrics import judges
from vqspeech.metrics.evaluations import conversion
from vqspeech.metrics.evaluations.zero_shot import (
    Plan,
    convert_plan,
    convert_to_known_voices,
    copy_synthesise_sources,
    plan_conversions,
    resynthesise_sources,
)
from vqspeech.models.vqvae import VQVAE


def measure(args: argparse.Namespace) -> Generator[Table, None, int]:
    """Judge conversions, which `--like` makes first; the exit status is 3 where clips were skipped."""
    make_judges = partial(judges.load_judges, args.asr, args.verifier, args.rater)
    sources, targets = combine([DataDir.read(path) for path in args.data]), DataDir.read(args.targets_data)
    with ExitStack() as stack:
        converted, copies, skipped = _rows(args.converted), _rows(args.reconstructed), Skipped()
        if args.like:
            make_judges()  # before the work: a missing package would end it
            folder = Path(args.audio or stack.enter_context(tempfile.TemporaryDirectory()))
            plan = plan_conversions(sources, targets, args.each, max(args.like), args.per_speaker)
            converted, more = _make(args, plan, sources, folder, skipped)
            copies, sources, targets = copies | more, sources.subset(speakers=plan.sources.speakers), plan.judged
        found = conversion.score_conversions(
            sources, converted, targets, copies, enrol=args.enrol, nj=args.nj, make_judges=make_judges
        )
    packages = [*make_judges().packages, "jiwer"]
    yield Table(found.rows, found.notes, details=found.details, seed=0, packages=packages)
    yield Table(found.pitch_rows, found.pitch_notes, "pitch and spectrum", seed=0, packages=["pyworld-prebuilt"])
    found.skipped.reasons.update(skipped.reasons)
    return found.skipped.status(len(found.details))


def _add_conversions(parser: argparse.ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--converted", nargs="+", metavar="[ROW=]DIR", help="conversions, DIR/TARGET/UTTERANCE.wav; several by row"
    )
    given.add_argument(
        "--like", nargs="+", type=positive_seconds, metavar="SECONDS", help="make conversions, to voices of so "
        "many seconds of recordings of each target; a row each, beside the source's own voice and WORLD copy synthesis"
    )  # fmt: skip


def _make(
    args: argparse.Namespace, plan: Plan, data: DataDir, folder: Path, skipped: Skipped
) -> tuple[dict[str, str], dict[str, str]]:
    """Make what `--like` asks for; the folders of conversions, and of the sources said again, by row."""
    model = load_model(args)
    model.voice_hash()  # before the work: it must take voices from recordings
    converted, copies = {}, {"WORLD copy synthesis": folder / "world", "own voice": folder / "own"}
    for seconds in args.like:
        converted[f"like {seconds:g} s"] = folder / f"like-{seconds:g}"
        convert_plan(model, plan, seconds, converted[f"like {seconds:g} s"], skipped)
    for name in args.beside:
        beside = VQVAE.from_pretrained(find_model(name))
        row = Path(name).stem
        if convert_to_known_voices(beside, plan, folder / f"named-{row}", skipped):
            converted[f"{row}, its voices"] = folder / f"named-{row}"
    copy_synthesise_sources(plan, copies["WORLD copy synthesis"], skipped)
    resynthesise_sources(model, plan, data, copies["own voice"], skipped)
    return {row: str(path) for row, path in converted.items()}, {row: str(path) for row, path in copies.items()}


def _rows(given: Sequence[str] | None) -> dict[str, str]:
    """Return the folders of `[ROW=]DIR` by row.

    Raises:
        ConfigError: Two have the same row.
    """
    rows: dict[str, str] = {}
    for one in given or []:
        row, found, path = one.partition("=")
        row, path = (row, path) if found else ("", one)
        if row in rows:
            raise ConfigError(f"{one}: two folders of the row '{row}'; name each as ROW=DIR")
        rows[row] = path
    return rows


def positive_seconds(text: str) -> float:
    """Parse seconds, at least one."""
    value = float(text)
    if not 1 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} s are too short for a voice; give at least 1")
    return value


def _judge_argument(option: str, default: str, what: str) -> Argument:
    text = f"another {what} (default: %(default)s); vqspeech/metrics/judges.py shows how one is written"
    return argument(option, default=default, metavar="MODULE:CLASS", help=text)


SCORE = Score(
    "conversion",
    "Judge voice conversion: intelligibility, voice, quality, pitch.",
    measure,
    about="Conversions that there are, of one system or of several (--converted NAME=DIR …), or those that --like "
    "makes: of utterances of --data to speakers of --targets-data that the model has never heard, given so many "
    "seconds of each.",
    arguments=[
        argument(
            "--data", required=True, nargs="+", metavar="DATA", help="data directories of the source utterances, with "
            "text"
        ),
        _add_conversions,
        argument("--targets-data", required=True, metavar="DATA", help="recordings of the target speakers"),
        argument(
            "--reconstructed", nargs="+", metavar="[ROW=]DIR", help="reconstructions, of these or others of --data: "
            "DIR/UTTERANCE.wav; several by row"
        ),
        add_model_argument,
        argument(
            "--beside", nargs="+", default=[], metavar="MODEL", help="with --like: other models, to those of the "
            "targets that they know by name, a row each"
        ),
        argument("--each", **number(2, "with --like: targets of a source")),
        argument("--per-speaker", **number(2, "with --like: source utterances of each speaker")),
        argument("--audio", metavar="DIR", help="with --like: keep the conversions in this folder"),
        argument("--enrol", **number(10, "recordings that make a voice")),
        _judge_argument("--asr", judges.ASR, "speech recogniser"),
        _judge_argument("--verifier", judges.VERIFIER, "speaker model"),
        _judge_argument("--rater", judges.RATER, "judge of quality"),
    ],
    columns={
        "CER, WER": "character and word error rate of a recogniser against the transcript",
        "similarity to target": "cosine of speaker embeddings to the target's voice",
        "target is nearest": "share of clips whose nearest voice is the target's",
        "EER": "equal error rate of telling the claimed voice from others; 0.5 is chance",
        "DNSMOS": "predicted opinion of quality, 1 to 5",
    },
    example="vqspeech score conversion --data data/test --targets-data data/train --converted exp/converted "
    "--out exp/scores.json",
    section=True,
    nj=True,
    print_notes=False,
)  # fmt: skip
