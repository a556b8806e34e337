"""Arguments of the command line that the verbs of text share (not a verb)."""

import argparse
from collections.abc import Sequence

from vqspeech.commands.arguments import non_negative_float, positive_int
from vqspeech.commands.scoring import argument
from vqspeech.errors import ConfigError, TextError
from vqspeech.text.data.pairs import read_pairs
from vqspeech.text.models import Translator

TEST = argument(
    "--data", nargs=2, required=True, metavar=("SOURCE", "TARGET"), help="held-out sentences and their translations"
)
"""The sentences that are scored."""


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a `Decoding` is made of."""
    parser.add_argument(
        "--beam", type=positive_int, default=1, metavar="N", help="beam of an autoregressive model (default: greedy)"
    )
    parser.add_argument(
        "--penalty", type=non_negative_float, default=1.0, metavar="X",
        help="exponent of the length that log probabilities are divided by, with a beam (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--lengths", type=positive_int, default=1, metavar="N",
        help="lengths that a parallel model tries (default: %(default)s)",
    )  # fmt: skip


def read_test(files: Sequence[str], models: Sequence[Translator]) -> tuple[list[str], list[str]]:
    """Return the sentences of `--data` and their translations.

    Raises:
        ConfigError: A line is empty, not UTF-8, or too long for one of the models: all would be scored on fewer.
    """
    pairs = read_pairs([(files[0], files[1])])
    left_out = {reason: count for reason, count in pairs.dropped.items() if count}
    if left_out:
        raise ConfigError(f"{files[0]}, {files[1]}: lines that cannot be scored ({left_out}); remove these pairs")
    for number, line in enumerate(pairs.source, 1):
        for model in models:
            try:
                model.check_line(line)
            except TextError as error:
                raise ConfigError(f"{files[0]}: line {number}: {error}") from None
    return list(pairs.source), list(pairs.target)
