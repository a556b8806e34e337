"""Target voices of commands: of the model, of the user, or of a recording; and options of the output (not a verb)."""

import argparse
from pathlib import Path

from vqspeech import audio
from vqspeech.commands.arguments import float_between
from vqspeech.models.speakers import VoiceName
from vqspeech.models.voice import find_voice
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import warn
from vqspeech.voices import Voice

RATES = (16_000, 24_000, 48_000)
"""Sampling rates that conversions can be written with (Hz)."""


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--speaker` and `--like`, one of which is required."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--speaker", nargs="+", metavar="NAME", help="target voices (`vqspeech speakers` lists them)")
    given.add_argument(
        "--like", nargs="+", metavar="FILE", help="recordings of the target speaker, ten seconds or more in all"
    )


def add_melody_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--pitch`, `--keep-pitch` and `--formant`."""
    parser.add_argument(
        "--pitch",
        type=float_between(-24, 24),
        default=0.0,
        metavar="SEMITONES",
        help="raise the pitch by so many semitones, or lower it (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-pitch",
        action="store_true",
        help="keep the pitch of the source, instead of moving it into the range of the target voice",
    )
    parser.add_argument(
        "--formant",
        type=float_between(0.5, 2.0),
        default=1.0,
        metavar="FACTOR",
        help="scale the formants: above 1 a shorter vocal tract, below 1 a longer one (default: %(default)s)",
    )


def add_sound_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--rate`, `--loudness` and `--preserve-pauses`."""
    parser.add_argument(
        "--rate",
        type=int,
        choices=RATES,
        default=audio.RATE,
        help="sampling rate of the output in Hz (default: %(default)s, that of the model; higher rates sound the same)",
    )
    parser.add_argument(
        "--loudness",
        type=float_between(-70, 0),
        metavar="LUFS",
        help="integrated loudness of the output (ITU-R BS.1770), such as -23; whole recordings are then held in memory "
        "(default: that of the source)",
    )
    parser.add_argument(
        "--preserve-pauses",
        action="store_true",
        help="keep the sound of the source in pauses, such as breaths (default: that of the model, no louder)",
    )


def target_names(args: argparse.Namespace) -> list[str]:
    """Return the names of the voices, which name files: those of `--speaker`, or that of the first recording."""
    return list(dict.fromkeys(args.speaker)) if args.speaker else [Path(args.like[0]).stem]


def load_target_voices(args: argparse.Namespace, model: VQVAE) -> dict[str, VoiceName]:
    """Return the voices by name.

    Raises:
        SpeakerError: There is no such voice, or the model cannot take one from recordings.
        AudioError: A recording cannot be read.
        CheckpointError: The file of a voice is damaged.
    """
    if args.speaker:
        return {name: find_voice(model, name) for name in target_names(args)}
    model.voice_hash()  # before anything is read
    [name] = target_names(args)
    voice = model.make_voice([audio.read_waveform(path) for path in args.like], name)
    warn_of_doubt(voice)
    return {name: voice}


def warn_of_doubt(voice: Voice) -> None:
    """Warn on stderr where recordings of a voice are doubtful, such as those of several speakers."""
    if voice.doubt:
        warn(f"warning: {voice.doubt}")
