"""Reconstruct recordings from their codes in their own voices, free-running.

In a data directory the voice is the speaker of the utterance; for files it is named by --speaker.
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import add_json_argument, sound_folder
from vqspeech.commands.convert import add_sampling_arguments, check_speech_outputs, write_speech
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.commands.sources import add_source_arguments, open_sources
from vqspeech.errors import ConfigError
from vqspeech.jobs import Skipped

EXAMPLE = "vqspeech reconstruct --model exp/vctk_world --data data/dev --out reconstructed/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech reconstruct`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    parser.add_argument(
        "--speaker", metavar="NAME", help="voice of all recordings (default: the speaker of each utterance)"
    )
    parser.add_argument("--out", type=sound_folder, required=True, metavar="DIR", help="folder for NAME.wav")
    add_sampling_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the reconstructions; the exit status is 3 where recordings were skipped."""
    skipped = Skipped()
    if not args.data and not args.speaker:
        raise ConfigError(
            "no voice is known for files; name it with --speaker (`vqspeech speakers` lists those of the model)"
        )
    with open_sources(args, skipped) as found:
        voices = {utterance.id: [args.speaker or utterance.speaker] for utterance in found}
        paths = {(name, voice[0]): Path(args.out) / f"{name}.wav" for name, voice in voices.items()}
        wanted = check_speech_outputs(paths, [utterance.path for utterance in found], skipped)
        model = load_model(args)
        for name in sorted({names[0] for names in voices.values()}):
            model.speaker(name)
        return write_speech(model, found, voices, wanted, args, skipped)
