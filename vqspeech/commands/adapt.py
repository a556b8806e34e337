"""Fine-tune a trained model to a new voice, in minutes, from a few minutes of recordings.

Codes and the other voices do not change. Afterwards: vqspeech convert --model OUT --speaker NAME --src FILE
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import add_seed_argument, number, output_file
from vqspeech.commands.loading import add_model_argument, find_model
from vqspeech.commands.outputs import check_outputs
from vqspeech.data.corpora.layout import list_recordings, list_unusable
from vqspeech.errors import AudioError, SpeakerError
from vqspeech.files import check_file
from vqspeech.jobs import Skipped
from vqspeech.locks import lock_file
from vqspeech.models import checkpoint
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import report
from vqspeech.training.adapt import adapt_voice, check_voice_name, cut_recordings

EXAMPLE = "vqspeech adapt --src recordings/ --name anna --out anna.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech adapt`."""
    add_model_argument(parser)
    parser.add_argument(
        "--src", nargs="+", required=True, metavar="PATH", help="recordings of the speaker, or folders of them"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="name of the new voice")
    parser.add_argument("--gender", choices=("f", "m"), help="gender of the speaker, for `vqspeech speakers`")
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="FILE", help="checkpoint to write, with the new voice"
    )
    parser.add_argument("--steps", **number(400, "training steps at most"))
    add_seed_argument(parser, "of the training windows")


def run(args: argparse.Namespace) -> int:
    """Write the model; the exit status is 3 where recordings were skipped."""
    path, skipped = find_model(args.model), Skipped()
    check_voice_name(args.name)
    model, about = VQVAE.from_pretrained(path), checkpoint.read(path, "none.")[1]
    if args.name in model.speakers:
        raise SpeakerError(f"the model has a voice '{args.name}' already; choose another --name")
    check_file(args.out, 2 * path.stat().st_size)  # float32, even of a model in float16
    files = _find_recordings(args.src, skipped)
    check_outputs({"model": Path(args.out)}, files, skipped)
    with lock_file(args.out):
        data = cut_recordings(args.name, files, skipped)
        found = adapt_voice(model, data, args.steps, args.seed)
        if args.gender:
            found.model.genders[args.name] = args.gender
        kept = {key: value for key, value in about.items() if key not in ("config", "speakers", "genders")}
        adaptation = {
            "name": args.name,
            "like": found.start_voice,
            "seconds": found.train_seconds,
            "losses": list(found.losses),
        }
        kept["adapted"] = [*kept.get("adapted", []), adaptation | {"steps": found.steps, "seed": args.seed}]
        found.model.save_pretrained(args.out, **kept)
    first, vector, biases = found.losses
    report(
        f"{args.name}: learned from {found.train_seconds:.0f} s, {found.dev_seconds:.0f} s held out; {found.steps} "
        f"steps, {found.speed:.0f}x real time\nheld-out loss: {first:.3f} as {found.start_voice}, {vector:.3f} with a "
        f"vector of its own, {biases:.3f} with biases of its own"
    )
    print(args.out)
    return skipped.status(len({utterance.path for utterance in data}))


def _find_recordings(given: list[str], skipped: Skipped) -> list[Path]:
    files = []
    for path in map(Path, given):
        inside = list(list_recordings(path)) if path.is_dir() else [path]
        for other, reason in list_unusable(path) if path.is_dir() else ():
            skipped.add(str(other), reason)
        if not inside:
            raise AudioError(f"{path}: no sound files in this folder; give the folder of the recordings")
        files += inside
    return list(dict.fromkeys(files))
