"""The voices a command speaks in: those of the model, the user's own, or that of a recording (not a verb)."""

import argparse
import sys
from pathlib import Path

from vqspeech import audio
from vqspeech.commands.arguments import float_between
from vqspeech.models.voice import find_voice
from vqspeech.models.vqvae import VQVAE, VoiceName
from vqspeech.voices import Voice

RATES = (16_000, 24_000, 48_000)
"""Samples a second that conversions are written with (Hz)."""


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--speaker` and `--like`, one of which is required."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--speaker", nargs="+", metavar="NAME", help="target voices (`vqspeech speakers` lists them)")
    given.add_argument(
        "--like", nargs="+", metavar="FILE", help="the voice of these recordings of one speaker, ten seconds or more"
    )


def add_melody_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--pitch`, `--keep-pitch` and `--formant`."""
    parser.add_argument(
        "--pitch",
        type=float_between(-24, 24),
        default=0.0,
        metavar="SEMITONES",
        help="raise the pitch, or lower it (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-pitch", action="store_true", help="the pitch of the source, not moved into the range of the voice"
    )
    parser.add_argument(
        "--formant",
        type=float_between(0.5, 2.0),
        default=1.0,
        metavar="FACTOR",
        help="stretch the spectrum: above 1 a shorter vocal tract, below 1 a longer one (default: %(default)s)",
    )


def add_sound_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--rate`, `--loudness` and `--preserve-pauses`."""
    parser.add_argument(
        "--rate",
        type=int,
        choices=RATES,
        default=audio.RATE,
        help="samples a second of what is written (default: %(default)s, which the model makes; more is resampled, and "
        "sounds the same)",
    )
    parser.add_argument(
        "--loudness",
        type=float_between(-70, 0),
        metavar="LUFS",
        help="integrated loudness of what is written, as broadcasters measure it, such as -23 (default: that of the "
        "source; a recording is then held in memory as a whole)",
    )
    parser.add_argument(
        "--preserve-pauses",
        action="store_true",
        help="the source's own sound in its pauses: breaths, the room (default: what the model makes of it, no louder)",
    )


def target_names(args: argparse.Namespace) -> list[str]:
    """Return the names of the voices, by which files are called: those of `--speaker`, or of the first recording."""
    return list(dict.fromkeys(args.speaker)) if args.speaker else [Path(args.like[0]).stem]


def load_target_voices(args: argparse.Namespace, model: VQVAE) -> dict[str, VoiceName]:
    """Return the voices by name. Raises `SpeakerError`, `AudioError`, `CheckpointError`."""
    if args.speaker:
        return {name: find_voice(model, name) for name in target_names(args)}
    model.voice_hash()  # before anything is read
    [name] = target_names(args)
    voice = model.voice_of([audio.read_waveform(path) for path in args.like], name)
    warn_of_doubt(voice)
    return {name: voice}


def warn_of_doubt(voice: Voice) -> None:
    """Say on standard error what speaks against a voice being that of one speaker."""
    if voice.doubt:
        print(f"warning: {voice.doubt}", file=sys.stderr)
