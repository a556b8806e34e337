"""Put recordings through the codes and back in their own voices, free-running.

The voice is the utterance's speaker in a data directory; for a file it is named with --speaker.
"""

import argparse
from pathlib import Path

from vqspeech.commands.convert import add_sampling_arguments, write_speech
from vqspeech.commands.models import add_model_argument, model_of
from vqspeech.commands.sources import add_source_arguments, sources
from vqspeech.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech reconstruct`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    parser.add_argument(
        "--speaker", metavar="NAME", help="the voice of all sources (default: each utterance's speaker)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for NAME.wav")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the reconstructions; exit status 3 where recordings were skipped."""
    found, model = sources(args), model_of(args)
    if not args.data and not args.speaker:
        raise ConfigError("whose voice is it? name it with --speaker (`vqspeech speakers` lists those of the model)")
    voices = {utterance.id: [args.speaker or utterance.speaker] for utterance in found}
    for name in sorted({names[0] for names in voices.values()}):
        model.speaker(name)
    wanted = {(name, voice[0]): Path(args.out) / f"{name}.wav" for name, voice in voices.items()}
    return write_speech(model, found, voices, wanted, args)
