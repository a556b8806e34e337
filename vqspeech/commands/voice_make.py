"""Make a voice from recordings of one speaker: ten seconds are enough, more are better.

The voice is a file of some 100 kB in the folder of your voices (`vqspeech voices` lists them), and --speaker finds it
by its name: vqspeech convert --src a.wav --speaker anna
"""

import argparse
import math
from pathlib import Path

from vqspeech import audio
from vqspeech.commands.arguments import add_json_argument, add_seed_argument, non_negative_int, output_file
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.commands.outputs import check_outputs, print_json
from vqspeech.commands.targets import warn_of_doubt
from vqspeech.commands.voices import describe_voice
from vqspeech.data.corpora.layout import list_recordings
from vqspeech.errors import AudioError, SpeakerError
from vqspeech.jobs import Skipped, attempt
from vqspeech.progress import report
from vqspeech.training.adapt import check_fits, check_voice_name, cut_recordings, fit_voice
from vqspeech.voices import voice_path

EXAMPLE = "vqspeech voice make --src recordings/ --name anna"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech voice make`."""
    add_model_argument(parser)
    parser.add_argument(
        "--src", nargs="+", required=True, metavar="PATH", help="recordings of the speaker, or folders of them"
    )
    parser.add_argument("--name", required=True, help="name of the voice")
    parser.add_argument(
        "--out", type=output_file, metavar="FILE", help="file to write (default: a file in the folder of your voices)"
    )
    parser.add_argument(
        "--steps",
        type=non_negative_int,
        default=0,
        metavar="N",
        help="train the vector for at most N steps, on 10 s of speech or more, better a minute: mostly a voice more "
        "like the speaker; 200 take minutes (default: 0, the vector as the model computes it)",
    )
    add_seed_argument(parser, "of the training windows")
    add_json_argument(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing voice of that name")


def run(args: argparse.Namespace) -> int:
    """Write the voice; the exit status is 3 where recordings cannot be read."""
    path = voice_path(args.name)
    path = Path(args.out) if args.out else path
    if path.exists() and not args.force:
        raise SpeakerError(f"there is a voice '{args.name}' already ({path}); choose another --name, or give --force")
    files = [
        file for given in args.src for file in (list_recordings(Path(given)) if Path(given).is_dir() else [Path(given)])
    ]
    check_outputs({"voice": path}, files, Skipped())
    if not files:
        raise AudioError(f"{', '.join(args.src)}: contains no file with the ending of a sound file; name the files")
    model = load_model(args)
    if args.name in model.speakers:
        raise SpeakerError(f"the model has a voice '{args.name}'; choose another --name")
    model.voice_hash()  # before anything is read
    if args.steps:
        check_voice_name(args.name)
        check_fits(model)
    skipped, waves, readable = Skipped(), [], []
    for file in files:
        wave, error = attempt(audio.read_waveform, file)
        if error is None:
            waves.append(wave)
            readable.append(file)
        else:
            skipped.add(str(file), error)
    voice = model.make_voice(waves, args.name)
    warn_of_doubt(voice)
    if args.steps:
        data = cut_recordings(args.name, readable, skipped)
        voice, (before, after) = fit_voice(model, voice, data, args.steps, args.seed)
        report(f"{args.name}: held-out loss {before:.3f} as its recordings, {after:.3f} with a trained vector")
    voice.save(path)
    if args.json:
        print_json({"file": str(path), "recordings": len(waves), **describe_voice(voice)})
        return skipped.status(len(waves))
    pitch = "no pitch" if math.isnan(voice.pitch[0]) else f"{math.exp(voice.pitch[0]):.0f} Hz"
    print(f"{path}: {voice.seconds:.1f} s of speech in {len(waves)} recordings, {pitch}")
    return skipped.status(len(waves))
