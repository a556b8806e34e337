"""List the voices of a model."""

import argparse

import numpy as np

from vqspeech.commands.models import add_model_argument, model_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech speakers`."""
    add_model_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a voice a line, with its mean pitch where that is known."""
    model = model_of(args)
    for name, (mean, _) in zip(model.speakers, model.pitch.numpy(), strict=True):
        print(name if np.isnan(mean) else f"{name}\t{np.exp(mean):.0f} Hz")
    return 0
