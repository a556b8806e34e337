"""The recordings a command works on: files, or the utterances of a data directory (not a verb)."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vqspeech import audio
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import AudioError, VqspeechError
from vqspeech.jobs import Skipped


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--src`, `--data` and `--limit`."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--src", nargs="+", metavar="FILE", help="sound files, or @LIST, a file with one a line")
    given.add_argument("--data", metavar="DATA", help="data directory")
    parser.add_argument(
        "--limit", type=_at_least_one, metavar="N", help="only N utterances, spread evenly over the data"
    )


def sources(args: argparse.Namespace) -> list[Utterance]:
    """The utterances that `args` name; a file's id is its name without ending, its speaker is not known (empty).

    Raises `AudioError` where two files would have one id, or a list cannot be read.
    """
    if args.data:
        found = list(DataDir.read(args.data))
    else:
        paths = [path for given in args.src for path in _listed(given)]
        found = [Utterance(Path(path).stem, "", path) for path in paths]
        twice = sorted(name for name, count in Counter(utterance.id for utterance in found).items() if count > 1)
        if twice:
            raise AudioError(f"several files are named {twice[0]}; give their folder as a data directory instead")
    if args.limit and args.limit < len(found):
        found = [found[i * len(found) // args.limit] for i in range(args.limit)]
    return found


def waveforms(found: list[Utterance], skipped: Skipped) -> Iterator[tuple[Utterance, np.ndarray]]:
    """Each utterance with its waveform `(samples,)`; those that cannot be read go to `skipped`."""
    for utterance in found:
        try:
            yield utterance, audio.waveform(utterance.path, utterance.start, utterance.end)
        except VqspeechError as error:
            skipped.add(utterance.id, error)


def _listed(given: str) -> list[str]:
    if not given.startswith("@"):
        return [given]
    try:
        lines = Path(given[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AudioError(f"{given[1:]}: no list of files that can be read ({error})") from None
    paths = [line.strip() for line in lines if line.strip()]
    if not paths:
        raise AudioError(f"{given[1:]}: an empty list; write the path of a sound file on each line")
    return paths


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
