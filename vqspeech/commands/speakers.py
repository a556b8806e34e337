"""List the voices of a model: name, gender and median pitch, as far as known; then your own for it.

Voices of your own are made of recordings by `vqspeech voice make`; `vqspeech voices` lists all of them.
"""

import argparse

import numpy as np

from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.models.decoders import SourceFilter
from vqspeech.voices import Voice, read_voices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech speakers`."""
    add_model_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a voice a line, its facts separated by tabs; "-" is an unknown one."""
    model = load_model(args)
    for name, (median, _) in zip(model.speakers, model.pitch.numpy(), strict=True):
        pitch = "-" if np.isnan(median) else f"{np.exp(median):.0f} Hz"
        print(name, model.genders.get(name, "-"), pitch, sep="\t")
    for voice in read_voices():
        if isinstance(voice, Voice) and isinstance(model.decoder, SourceFilter) and voice.model == model.voice_hash():
            pitch = "-" if np.isnan(voice.pitch[0]) else f"{np.exp(voice.pitch[0]):.0f} Hz"
            print(voice.name, "-", pitch, "yours", sep="\t")
    return 0
