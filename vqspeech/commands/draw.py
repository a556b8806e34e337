"""Draw the training curves of an experiment, and spectrograms of recordings beside what was made of them."""

import argparse
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vqspeech import audio
from vqspeech.commands.arguments import number
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.files import check_folder, replace_file
from vqspeech.jobs import Skipped, attempt
from vqspeech.metrics.reports import pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLE = "vqspeech draw exp/mini --data data/dev"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vqspeech draw`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder: curves.jsonl, reconstructed/, converted/")
    parser.add_argument("--data", required=True, nargs="+", metavar="DATA", help="data directories of the recordings")
    parser.add_argument("--limit", **number(1, "utterances of each data directory"))


def run(args: argparse.Namespace) -> int:
    """Write EXP/pictures/*.png and print their names; the exit status is 3 where recordings were skipped."""
    experiment = Path(args.experiment)
    out = experiment / "pictures"
    check_folder(out)
    if (experiment / "curves.jsonl").is_file():
        _saved(pictures.draw_curves(experiment / "curves.jsonl"), out / "curves.png")
    if (experiment / "prior" / "curves.jsonl").is_file():
        _saved(pictures.draw_curves(experiment / "prior" / "curves.jsonl"), out / "prior.png")
    for sheet in sorted(experiment.glob("samples/*/spectrograms.png")):
        path = out / f"samples-{sheet.parent.name}.png"
        with replace_file(path) as temporary:
            shutil.copyfile(sheet, temporary)
        print(path)
    made: dict[str, dict[str, Path]] = {}
    for path in sorted(experiment.glob("reconstructed/*.wav")):
        made.setdefault(path.stem, {})["reconstruction"] = path
    for path in sorted(experiment.glob("converted/*/*.wav")):
        made.setdefault(path.stem, {})[f"as {path.parent.name}"] = path
    drawn = [
        data[name] for data in map(DataDir.read, args.data) for name in [n for n in made if n in data][: args.limit]
    ]
    skipped = Skipped()
    for utterance in drawn:
        _, error = attempt(partial(_draw, made[utterance.id], out), utterance)
        if error is not None:
            skipped.add(utterance.id, error)
    return skipped.status(len(drawn) - len(skipped.reasons))


def _draw(made: dict[str, Path], out: Path, utterance: Utterance) -> None:
    """Draw a recording, and its reconstruction and conversions below it."""
    name = utterance.id
    title = f"{name}: {utterance.text}" if utterance.text else name
    sounds = {title: audio.read_waveform(utterance.path, utterance.start, utterance.end)}
    sounds |= {kind: audio.read_waveform(path) for kind, path in list(made.items())[:3]}
    _saved(pictures.draw_spectrograms(sounds), out / f"{name}.png")


def _saved(figure: "Figure", path: Path) -> None:
    pictures.save_figure(figure, path)
    print(path)
