"""Translate standard input, or a file, line by line.

Each line gives one line of output. An empty line gives an empty one; so does a line that cannot be translated (too
long, not UTF-8), which is named on stderr, and the exit status is then 3.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, BinaryIO

from vqspeech.commands.arguments import STREAM, add_device_argument, output_stream, positive_int
from vqspeech.devices import resolve_device
from vqspeech.errors import SOME_SKIPPED, ConfigError, TextError
from vqspeech.files import replace_file
from vqspeech.progress import warn
from vqspeech.text.commands.arguments import add_decoding_arguments
from vqspeech.text.data.pairs import decode_line
from vqspeech.text.models import Decoding, LatentTranslator, Translator

EXAMPLE = "vqspeech text translate --model exp/latent --input test.en --out test.de"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech text translate`."""
    parser.add_argument("--model", required=True, metavar="MODEL", help="checkpoint or experiment folder")
    parser.add_argument(
        "--predictor",
        metavar="MODEL",
        help="checkpoint that the predictor of the latents is taken from, refined for them",
    )
    parser.add_argument("--input", default=STREAM, metavar="FILE", help="text to translate (default: standard input)")
    parser.add_argument(
        "--out", type=output_stream, default=STREAM, metavar="FILE", help="where to write (default: standard output)"
    )
    add_decoding_arguments(parser)
    parser.add_argument(
        "--batch", type=positive_int, default=1, metavar="N",
        help="lines that are read and translated at once; 1 answers each line at once (default: %(default)s)",
    )  # fmt: skip
    add_device_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Translate; return exit status 3 if a line could not be translated."""
    model = Translator.from_pretrained(args.model, resolve_device(args.device))
    if args.predictor:
        if not isinstance(model, LatentTranslator):
            raise ConfigError(f"--predictor: {args.model} has no latents to predict")
        model.load_predictor(args.predictor)
    decoding = Decoding(args.beam, args.penalty, args.lengths)
    skipped = number = 0
    with ExitStack() as stack:
        file = sys.stdin.buffer if args.input == STREAM else stack.enter_context(open(args.input, "rb"))
        out: Any = sys.stdout
        if args.out != STREAM:
            path = stack.enter_context(replace_file(args.out))
            out = stack.enter_context(open(path, "w", encoding="utf-8", newline="\n"))
        for lines in _read_blocks(file, args.batch):
            found, faults = translate_lines(model, lines, decoding, args.batch)
            for place, fault in faults.items():
                warn(f"line {number + place + 1}: {fault}; left empty")
            skipped += len(faults)
            number += len(lines)
            print(*found, sep="\n", file=out, flush=True)
    return SOME_SKIPPED if skipped else 0


def translate_lines(
    model: Translator, lines: list[bytes], decoding: Decoding, batch: int
) -> tuple[list[str], dict[int, str]]:
    """Translate lines of any bytes.

    Returns:
        A translation for each, empty for an empty line and for those that cannot be translated; and why, by the place
        of these.
    """
    faults: dict[int, str] = {}
    good: dict[int, str] = {}
    for place, line in enumerate(lines):
        text = decode_line(line)
        if text is None:
            faults[place] = "not UTF-8"
        elif text:
            try:
                model.check_line(text)
                good[place] = text
            except TextError as error:
                faults[place] = str(error)
    found = [""] * len(lines)
    for place, text in zip(good, model.translate(list(good.values()), decoding, batch), strict=True):
        found[place] = text
    return found, faults


def _read_blocks(file: BinaryIO, size: int) -> Iterator[list[bytes]]:
    while block := list(islice(file, size)):
        yield block
