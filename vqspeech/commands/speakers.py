"""List the voices of a model, then your own for it: name, gender and median pitch, where known.

Your own voices are made from recordings by `vqspeech voice make`; `vqspeech voices` lists all of them.
"""

import argparse

import numpy as np

from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.models.decoders import SourceFilter
from vqspeech.voices import Voice, read_voices

EXAMPLE = "vqspeech speakers --model voice"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech speakers`."""
    add_model_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print a voice per line, with tabs between columns and "-" for what is unknown."""
    model = load_model(args)
    for name, (median, _) in zip(model.speakers, model.pitch.numpy(), strict=True):
        pitch = "-" if np.isnan(median) else f"{np.exp(median):.0f} Hz"
        print(name, model.genders.get(name, "-"), pitch, sep="\t")
    for voice in read_voices():
        if isinstance(voice, Voice) and isinstance(model.decoder, SourceFilter) and voice.model == model.voice_hash():
            pitch = "-" if np.isnan(voice.pitch[0]) else f"{np.exp(voice.pitch[0]):.0f} Hz"
            print(voice.name, "-", pitch, "yours", sep="\t")
    return 0
