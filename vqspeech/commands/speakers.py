"""List the voices of a model, then your own for it: name, gender and median pitch, where known.

Your own voices are made from recordings by `vqspeech voice make`; `vqspeech voices` lists all of them.
"""

import argparse

from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.commands.outputs import print_json
from vqspeech.models.voice import list_speakers

EXAMPLE = "vqspeech speakers --model voice"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech speakers`."""
    add_model_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print a voice per line, with tabs between columns and "-" for what is unknown."""
    for one in list_speakers(load_model(args)):
        if args.json:
            print_json(one)
        else:
            pitch = "-" if one["median_hz"] is None else f"{one['median_hz']:.0f} Hz"
            print(one["name"], one["gender"] or "-", pitch, *(["yours"] if one["yours"] else []), sep="\t")
    return 0
