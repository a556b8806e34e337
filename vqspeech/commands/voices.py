"""List the voices that you have made with `vqspeech voice make`: name, pitch, seconds of speech.

The last column is the start of the hash of the model that the voice was made for.
"""

import argparse
import math

from vqspeech.progress import report, warn
from vqspeech.voices import Voice, read_voices, voice_folder

EXAMPLE = "vqspeech voices"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: `vqspeech voices` has none."""


def run(args: argparse.Namespace) -> int:
    """Print a voice per line; unreadable files are reported on stderr."""
    count = 0
    for voice in read_voices():
        if isinstance(voice, Voice):
            count += 1
            pitch = "-" if math.isnan(voice.pitch[0]) else f"{math.exp(voice.pitch[0]):.0f} Hz"
            print(voice.name, pitch, f"{voice.seconds:.1f} s", voice.model[:8], sep="\t")
        else:
            warn(str(voice))
    if not count:
        report(f"no voices in {voice_folder()}; make one: vqspeech voice make --src FOLDER --name NAME")
    return 0
