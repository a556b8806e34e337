"""List the voices of a model: name, gender and median pitch, as far as known."""

import argparse

import numpy as np

from vqspeech.commands.models import add_model_argument, model_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech speakers`."""
    add_model_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a voice a line, its facts separated by tabs; "-" is an unknown one."""
    model = model_of(args)
    for name, (median, _) in zip(model.speakers, model.pitch.numpy(), strict=True):
        pitch = "-" if np.isnan(median) else f"{np.exp(median):.0f} Hz"
        print(name, model.genders.get(name, "-"), pitch, sep="\t")
    return 0
