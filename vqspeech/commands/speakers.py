"""List the voices of a model, then your own for it: name, gender and median pitch, where known.

Your own voices are made from recordings by `vqspeech voice make`; `vqspeech voices` lists all of them.
"""

import argparse
import math
from collections.abc import Iterator
from typing import Any

from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.commands.outputs import print_json
from vqspeech.models.decoders import SourceFilter
from vqspeech.models.vqvae import VQVAE
from vqspeech.voices import Voice, read_voices

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


def list_speakers(model: VQVAE) -> Iterator[dict[str, Any]]:
    """Yield name, gender and median F0 (Hz) of the voices of a model, then of those of the user that fit it."""
    for name, (median, _) in zip(model.speakers, model.pitch.tolist(), strict=True):
        pitch = None if math.isnan(median) else math.exp(median)
        yield {"name": name, "gender": model.genders.get(name), "median_hz": pitch, "yours": False}
    for voice in read_voices():
        if isinstance(voice, Voice) and isinstance(model.decoder, SourceFilter) and voice.model == model.voice_hash():
            pitch = None if math.isnan(voice.pitch[0]) else math.exp(voice.pitch[0])
            yield {"name": voice.name, "gender": None, "median_hz": pitch, "yours": True}
