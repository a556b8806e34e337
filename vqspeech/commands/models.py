"""List the models that are available: those of the toolkit, and those of experiments in exp/ here."""

import argparse
import math
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from vqspeech import audio, pretrained
from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.loading import VARIABLE
from vqspeech.commands.outputs import print_json
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.metrics.measures.codebook import bit_rate
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.frontend import FRONTENDS
from vqspeech.models.live import BLOCK
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import warn

EXAMPLE = "vqspeech models"
_HEAD = ("name", "decoder", "codes/s", "bit/s", "voices", "size")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech models`."""
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print a model a line, by the name that --model takes. Unreadable checkpoints are reported on stderr."""
    default = os.environ.get(VARIABLE) or pretrained.DEFAULT
    lines: list[tuple[str, ...]] = [_HEAD]
    for name, path in chain(
        pretrained.list_models().items(), ((str(path.parent), path) for path in find_experiments())
    ):
        try:
            lines.append((name + " (default)" * (name == default), *describe_checkpoint(path)))
        except CheckpointError as error:
            warn(str(error))
    if args.json:
        for line in lines[1:]:
            print_json(dict(zip(_HEAD, line, strict=True)))
        return 0
    width = max(len(line[0]) for line in lines)
    for name, kind, *numbers in lines:
        print(f"{name:<{width}}  {kind:<8}", *(f"{number:>8}" for number in numbers))
    return 0


def describe_checkpoint(path: Path) -> tuple[str, ...]:
    """Return decoder, codes per second, bit rate, number of voices and size of a checkpoint, as text.

    Only its header is read.

    Raises:
        CheckpointError: It is not a model of speech, or damaged.
    """
    about = checkpoint.read(path, "none.")[1]
    try:
        if "tracker" in about["config"]:
            return "live", f"{audio.RATE / BLOCK:g}", "-", str(len(about["speakers"])), _format_size(path)
        config = (VQVAE if "decoder" in about["config"] else Coder).check_config(about["config"])
        encoder = config["encoder"]
        strides = encoder["hop"] if "hop" in encoder else math.prod(stride for _, stride in encoder["layers"])
        rate = audio.RATE / (FRONTENDS[config["frontend"]["name"]].hop * strides)
        bits = bit_rate(rate, config["quantizer"]["codes"])
        decoder = config["decoder"]["name"] if "decoder" in config else "none"
        return decoder, f"{rate:g}", f"{bits:,.0f}", str(len(about["speakers"])), _format_size(path)
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{path}: not a model of speech ({error}); name the best.safetensors of one") from None


def find_experiments() -> Iterator[Path]:
    """Yield the best checkpoints of the experiments in `exp`, `*/exp` and `*/*/exp` of the working directory."""
    # Not `**`, which would search a home directory for minutes.
    for above in ("", "*/", "*/*/"):
        yield from sorted(Path().glob(f"{above}exp/*/best.safetensors"))


def _format_size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
