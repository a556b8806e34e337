"""List the models there are: those that came with the toolkit, and those of experiments in exp/ here."""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from vqspeech import audio, pretrained
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.metrics.codebook import bit_rate
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.frontend import FRONTENDS
from vqspeech.models.live import BLOCK
from vqspeech.models.vqvae import VQVAE

VARIABLE = "VQSPEECH_MODEL"
_HEAD = ("name", "decoder", "codes/s", "bit/s", "voices", "size")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`vqspeech models` has no options."""


def run(args: argparse.Namespace) -> int:
    """Prints a model a line; the name is what --model takes. Checkpoints that cannot be read are named on stderr."""
    default = os.environ.get(VARIABLE) or pretrained.DEFAULT
    lines: list[tuple[str, ...]] = [_HEAD]
    for name, path in chain(pretrained.shipped().items(), ((str(path.parent), path) for path in trained())):
        try:
            lines.append((name + " (default)" * (name == default), *described(path)))
        except CheckpointError as error:
            print(error, file=sys.stderr)
    width = max(len(line[0]) for line in lines)
    for name, kind, *numbers in lines:
        print(f"{name:<{width}}  {kind:<8}", *(f"{number:>8}" for number in numbers))
    return 0


def described(path: Path) -> tuple[str, ...]:
    """Decoder, codes a second, bit rate, number of voices and size of a checkpoint, in words; only its header is read.
    Raises `CheckpointError`."""
    about = checkpoint.read(path, "none.")[1]
    try:
        if "tracker" in about["config"]:
            return "live", f"{audio.RATE / BLOCK:g}", "-", str(len(about["speakers"])), _size(path)
        config = (VQVAE if "decoder" in about["config"] else Coder).check_config(about["config"])
        one = config["encoder"]
        strides = one["hop"] if "hop" in one else math.prod(stride for _, stride in one["layers"])
        rate = audio.RATE / (FRONTENDS[config["frontend"]["name"]].hop * strides)
        bits = bit_rate(rate, config["quantizer"]["codes"])
        decoder = config["decoder"]["name"] if "decoder" in config else "none"
        return decoder, f"{rate:g}", f"{bits:,.0f}", str(len(about["speakers"])), _size(path)
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{path}: not a model of speech ({error}); name the best.safetensors of one") from None


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def trained() -> Iterator[Path]:
    """The best checkpoints of the experiments in `exp`, `*/exp` and `*/*/exp` of the working directory."""
    # Not `**`: in a home directory that would walk for minutes.
    for above in ("", "*/", "*/*/"):
        yield from sorted(Path().glob(f"{above}exp/*/best.safetensors"))


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--model`."""
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"model (`vqspeech models`), checkpoint, or experiment folder (default: ${VARIABLE}, else the one that "
        "came with the toolkit)",
    )


def model_path(given: str | None) -> Path:
    """The checkpoint that was named, else $VQSPEECH_MODEL, else the default of the shipped ones: never one that merely
    lies in the working directory. Which one it is is said on stderr where it was not named. Raises `CheckpointError`
    where there is none."""
    named = given or os.environ.get(VARIABLE)
    if not given:
        print(f"model: {named or pretrained.DEFAULT} (`vqspeech models` lists all)", file=sys.stderr)
    return pretrained.located(named)


def model_of(args: argparse.Namespace) -> VQVAE:
    """The model that `args.model` names."""
    return VQVAE.from_pretrained(model_path(args.model))


def is_live(given: str | None) -> bool:
    """Return whether the model that was named, as `model_path` takes it, converts streams; only its header is read."""
    path = pretrained.located(given or os.environ.get(VARIABLE))
    return path.is_file() and "tracker" in checkpoint.read(path, "none.")[1].get("config", {})


def coder_of(path: Path) -> Coder:
    """The model in a checkpoint, whole or, where it was made without a decoder, a coder alone."""
    config = checkpoint.read(path, "none.")[1].get("config", {})
    return (VQVAE if "decoder" in config else Coder).from_pretrained(path)
