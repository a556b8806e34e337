"""List the voices that you have made with `vqspeech voice make`: name, pitch, seconds of speech.

The last column is the start of the hash of the model that the voice was made for.
"""

import argparse
import math
from typing import Any

from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.outputs import print_json
from vqspeech.progress import report, warn
from vqspeech.voices import Voice, read_voices, voice_folder

EXAMPLE = "vqspeech voices"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech voices`."""
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print a voice per line; unreadable files are reported on stderr."""
    count = 0
    for voice in read_voices():
        if isinstance(voice, Voice):
            count += 1
            if args.json:
                print_json(describe_voice(voice))
                continue
            pitch = "-" if math.isnan(voice.pitch[0]) else f"{math.exp(voice.pitch[0]):.0f} Hz"
            print(voice.name, pitch, f"{voice.seconds:.1f} s", voice.model[:8], sep="\t")
        else:
            warn(str(voice))
    if not count:
        report(f"no voices in {voice_folder()}; make one: vqspeech voice make --src FOLDER --name NAME")
    return 0


def describe_voice(voice: Voice) -> dict[str, Any]:
    """Return name, median F0 (Hz), seconds of speech, and hash of the model of a voice."""
    pitch = None if math.isnan(voice.pitch[0]) else math.exp(voice.pitch[0])
    return {"name": voice.name, "median_hz": pitch, "seconds": voice.seconds, "model": voice.model}
