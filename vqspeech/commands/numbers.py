"""Numbers on the command line, as types of argparse (not a verb)."""

import argparse
import math
from collections.abc import Callable

LARGEST = 2**63 - 1
"""The largest seed: generators take 64 bits."""


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number of at least 0, such as a seed."""
    return _whole(text, 0)


def above_zero(text: str) -> float:
    """A number more than 0."""
    return _number(text, lambda number: 0 < number < math.inf, "more than 0")


def at_least_zero(text: str) -> float:
    """A number of 0 or more, such as a temperature."""
    return _number(text, lambda number: 0 <= number < math.inf, "0 or more")


def share(text: str) -> float:
    """A number more than 0 and at most 1."""
    return _number(text, lambda number: 0 < number <= 1, "in (0, 1]")


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= LARGEST:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least {least}")
    return number


def _number(text: str, fits: Callable[[float], bool], words: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not fits(number):
        raise argparse.ArgumentTypeError(f"'{text}' is no number that is {words}")
    return number
