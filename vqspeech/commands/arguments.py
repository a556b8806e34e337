"""Arguments of the command line that verbs share: types of argparse and whole options (not a verb).

Types of paths check, before any work, that the place can be written; they raise `OutputError`, which is printed as one
line. Nothing heavy is imported here at module level: `vqspeech validate` starts without torch.
"""

import argparse
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vqspeech.errors import OutputError
from vqspeech.files import check_file, check_folder

STREAM = "-"
"""Stands for standard input and standard output."""
LARGEST = 2**63 - 1
"""The largest seed: generators take 64 bits."""


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _parse_int(text, 1)


def non_negative_int(text: str) -> int:
    """Parse a whole number of at least 0, such as a seed."""
    return _parse_int(text, 0)


def positive_float(text: str) -> float:
    """Parse a number more than 0."""
    return _parse_float(text, lambda number: 0 < number < math.inf, "more than 0")


def non_negative_float(text: str) -> float:
    """Parse a number of 0 or more, such as a temperature."""
    return _parse_float(text, lambda number: 0 <= number < math.inf, "0 or more")


def fraction(text: str) -> float:
    """Parse a number more than 0 and at most 1."""
    return _parse_float(text, lambda number: 0 < number <= 1, "in (0, 1]")


def float_between(low: float, high: float) -> Callable[[str], float]:
    """Return a type of argparse that parses a number from `low` to `high`."""
    return lambda text: _parse_float(text, lambda number: low <= number <= high, f"between {low:g} and {high:g}")


def output_file(text: str) -> str:
    """Check the path of a file to write."""
    check_file(_require_name(text))
    return text


def output_stream(text: str) -> str:
    """Check the path of a file to write, or `STREAM`."""
    return text if text == STREAM else output_file(text)


def output_folder(text: str) -> str:
    """Check the path of a folder to write into."""
    check_folder(_require_name(text))
    return text


def output_data_dir(text: str) -> str:
    """Check the path of a data directory to write; one that is there will be replaced."""
    from vqspeech.data.datadir import check_replaceable

    output_folder(text)
    check_replaceable(Path(text).resolve())
    return text


def add_output_argument(
    parser: argparse.ArgumentParser, check: Callable[[str], str], kind: str, metavar: str, description: str
) -> None:
    """Add `--out`, an output that may be a URL.

    Args:
        parser: The parser.
        check: Type of paths of this machine.
        kind: What the output is; see `vqspeech.publishing.publish`.
        metavar: Its name in the help.
        description: Its help.
    """

    def parse(text: str) -> str:
        from vqspeech.storage import is_remote

        if not is_remote(text):
            return check(text)
        from vqspeech.publishing import check_output

        check_output(text, kind)
        return text

    parser.add_argument("--out", type=parse, required=True, metavar=metavar, help=description)


def scores_file(text: str) -> str:
    """Check the path of a scores file to create or to add to."""
    from vqspeech.metrics.reports import scores

    output_file(text)
    if os.path.exists(text):
        scores.read(text)
    return text


def sound_folder(text: str) -> str:
    """Check the path of a folder for sound files; the name of a sound file is refused."""
    output_folder(text)
    if is_sound(text):
        raise OutputError(f"{text}: is the name of a sound file, but a folder is needed; name one, or write {text}/")
    return text


def is_sound(text: str) -> bool:
    """Return whether `text` names a sound file of any kind, whether it can be written here or not."""
    import soundfile

    from vqspeech.soundfiles import ffmpeg
    from vqspeech.soundfiles.reader import ENDINGS

    ending = Path(text).suffix.lower()
    known = ending in (*ENDINGS, *ffmpeg.ENDINGS) or ending[1:].upper() in soundfile.available_formats()
    return known and not is_folder(text)


def is_folder(text: str) -> bool:
    """Return whether `text` can only mean a folder: one is there, or it ends in a slash."""
    return os.path.isdir(text) or text.endswith(("/", os.sep))


def number(
    default: float, text: str, kind: Callable[[str], float] = positive_int, metavar: str = "N"
) -> dict[str, Any]:
    """Return the keywords of `add_argument` for a number with a default, which the help text names.

    Args:
        default: The default.
        text: What the number is.
        kind: Parses the number.
        metavar: Its name in the help.
    """
    return {"type": kind, "default": default, "metavar": metavar, "help": f"{text} (default: %(default)s)"}


def add_jobs_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--nj`, the number of processes."""
    parser.add_argument("--nj", **number(1, "processes"))


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json`; `vqspeech.commands.outputs.print_json` prints what a verb then prints."""
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, an object a line")


def add_seed_argument(parser: argparse.ArgumentParser, of: str) -> None:
    """Add `--seed`, which is the seed `of` something."""
    parser.add_argument(
        "--seed", type=non_negative_int, default=0, metavar="N", help=f"seed {of} (default: %(default)s)"
    )


def add_code_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--prior`, `--ngram` and `--units`: what codes are drawn from."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prior", metavar="FILE", help="checkpoint of `vqspeech prior`")
    source.add_argument(
        "--ngram", type=positive_int, metavar="N", help="sample from an N-gram of --units instead of a prior"
    )
    parser.add_argument("--units", metavar="UNITS", help="units file the n-gram is fitted to")


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--temperature`, `--top-p` and `--seed` of codes that are sampled from a prior."""
    parser.add_argument("--temperature", **number(1.0, "temperature of the codes", non_negative_float, "T"))
    parser.add_argument(
        "--top-p", **number(1.0, "sample from the most likely codes of total probability P", fraction, "P")
    )
    add_seed_argument(parser, "of all samples")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--device`; `vqspeech.devices` turns its value into a device."""
    parser.add_argument("--device", metavar="NAME", help="device to compute on (default: the accelerator, else cpu)")


def add_training_arguments(
    parser: argparse.ArgumentParser, configurations: Sequence[str], overrides: str, default: str | None = None
) -> None:
    """Add `--conf`, `--out`, `--restart` and the overrides, which every verb that trains takes.

    Args:
        parser: The parser of the verb.
        configurations: Names that `--conf` may have.
        overrides: Example of overrides, for the help.
        default: Configuration without `--conf`; None makes `--conf` required.
    """
    names = ", ".join(configurations)
    parser.add_argument(
        "--conf",
        required=default is None,
        default=default,
        metavar="NAME",
        help=f"configuration: {names}" + (" (default: %(default)s)" if default else ""),
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        metavar="EXP",
        help="experiment folder; a training that was stopped there is resumed",
    )
    parser.add_argument("--restart", action="store_true", help="delete the earlier training in --out, and start anew")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"settings, such as {overrides}")


def _parse_int(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= LARGEST:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return number


def _parse_float(text: str, fits: Callable[[float], bool], condition: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not fits(number):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number {condition}")
    return number


def _require_name(text: str) -> str:
    if not text:
        raise OutputError("an output without a name; is a variable of the shell empty?")
    return text
