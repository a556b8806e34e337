"""Which model a command works with (not a verb)."""

import argparse
import os
import sys
from itertools import chain
from pathlib import Path

from vqspeech.errors import CheckpointError
from vqspeech.models.vqvae import VQVAE

VARIABLE = "VQSPEECH_MODEL"


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--model`."""
    parser.add_argument(
        "--model",
        metavar="FILE",
        help=f"checkpoint (default: ${VARIABLE}, else the newest exp/*/best.safetensors here)",
    )


def model_path(given: str | None) -> Path:
    """The checkpoint that was named, else $VQSPEECH_MODEL, else the newest of the experiments in `exp`, `*/exp` and
    `*/*/exp` of the working directory, which is then announced. Raises `CheckpointError` where there is none."""
    if given or os.environ.get(VARIABLE):
        return Path(given or os.environ[VARIABLE])
    # Not `**`: in a home directory that would walk for minutes.
    places = (Path().glob(f"{above}exp/*/best.safetensors") for above in ("", "*/", "*/*/"))
    found = sorted(chain.from_iterable(places), key=lambda path: path.stat().st_mtime)
    if not found:
        raise CheckpointError(f"no model: name one with --model, set {VARIABLE}, or train one (bash egs/mini/run.sh)")
    print(f"model: {found[-1]}", file=sys.stderr)
    return found[-1]


def model_of(args: argparse.Namespace) -> VQVAE:
    """The model that `args.model` names."""
    return VQVAE.from_pretrained(model_path(args.model))
