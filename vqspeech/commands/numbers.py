"""Numbers on the command line."""

import argparse


def positive(text: str) -> int:
    """A whole number of at least 1, as a type of argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least 1")
    return number
