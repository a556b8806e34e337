"""The model that a command works with: `--model`, and loading it (not a verb)."""

import argparse
import os
from pathlib import Path

from vqspeech import pretrained
from vqspeech.devices import limit_kernel_cache
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import report

VARIABLE = "VQSPEECH_MODEL"
"""Environment variable that names the model where `--model` is not given."""


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--model`."""
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"name of a model (`vqspeech models`), checkpoint, or experiment folder (default: ${VARIABLE}, else the "
        "default model of the toolkit)",
    )


def find_model(given: str | None) -> Path:
    """Return the checkpoint that was named, else $VQSPEECH_MODEL, else the default of the shipped ones.

    A checkpoint is never taken only because it is in the working directory. Where no model was named, the choice is
    printed on stderr.

    Raises:
        CheckpointError: There is no such model.
    """
    named = given or os.environ.get(VARIABLE)
    if not given:
        report(f"model: {named or pretrained.DEFAULT} (`vqspeech models` lists all)")
    return pretrained.find_checkpoint(named)


def load_model(args: argparse.Namespace) -> VQVAE:
    """Load the model that `args.model` names, to process recordings of any length."""
    limit_kernel_cache()
    return VQVAE.from_pretrained(find_model(args.model))


def load_coder(path: Path) -> Coder:
    """Load the model in a checkpoint: a VQ-VAE, or a coder where it has no decoder."""
    config = checkpoint.read(path, "none.")[1].get("config", {})
    return (VQVAE if "decoder" in config else Coder).from_pretrained(path)


def is_live_model(given: str | None) -> bool:
    """Return whether a model converts streams; `given` is as in `find_model`. Only the header is read."""
    path = pretrained.find_checkpoint(given or os.environ.get(VARIABLE))
    return path.is_file() and "tracker" in checkpoint.read(path, "none.")[1].get("config", {})
