"""Draw the training curves of an experiment, and spectrograms of recordings beside what was made of them."""

import argparse
import shutil
from pathlib import Path

from vqspeech import audio
from vqspeech.commands.numbers import positive
from vqspeech.data.datadir import DataDir
from vqspeech.files import replaced
from vqspeech.metrics import pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech draw`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder: curves.jsonl, reconstructed/, converted/")
    parser.add_argument("--data", required=True, nargs="+", metavar="DATA", help="data directories of the recordings")
    parser.add_argument(
        "--limit",
        type=positive,
        default=1,
        metavar="N",
        help="utterances of each data directory (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes EXP/pictures/*.png and prints their names."""
    experiment = Path(args.experiment)
    out = experiment / "pictures"
    if (experiment / "curves.jsonl").is_file():
        _saved(pictures.curves(experiment / "curves.jsonl"), out / "curves.png")
    if (experiment / "prior" / "curves.jsonl").is_file():
        _saved(pictures.curves(experiment / "prior" / "curves.jsonl"), out / "prior.png")
    for sheet in sorted(experiment.glob("samples/*/spectrograms.png")):
        path = out / f"samples-{sheet.parent.name}.png"
        with replaced(path) as temporary:
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
    for utterance in drawn:
        name = utterance.id
        title = f"{name}: {utterance.text}" if utterance.text else name
        sounds = {title: audio.waveform(utterance.path, utterance.start, utterance.end)}
        sounds |= {kind: audio.waveform(path) for kind, path in list(made[name].items())[:3]}
        _saved(pictures.spectrograms(sounds), out / f"{name}.png")
    return 0


def _saved(figure, path: Path) -> None:
    pictures.save(figure, path)
    print(path)
