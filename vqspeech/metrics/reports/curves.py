"""The learning curves of a training, `curves.jsonl`: one evaluation per line."""

import json
from pathlib import Path

from vqspeech.errors import ConfigError
from vqspeech.progress import warn

CURVES = "curves.jsonl"


def read_curves(path: str | Path) -> list[dict[str, float]]:
    """Read the evaluations of a training, each {"step", figures by name}.

    Damaged lines, as a kill or a full disk leaves them, are skipped with a warning.

    Raises:
        ConfigError: The file is missing, or no line is complete.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: no curves of a training ({error.strerror}); train it first") from None
    found = [_evaluation(line) for line in lines]
    kept = [one for one in found if one is not None]
    if not kept:
        raise ConfigError(f"{path}: holds no evaluation of a training; train on, or from the start")
    if lines[-1] and found[-1] is None:
        warn(f"{path}: its last line is cut short and left out")
    damaged = sum(one is None and bool(line) for one, line in zip(found[:-1], lines[:-1], strict=True))
    if damaged:
        warn(f"{path}: {damaged} damaged line(s) left out")
    return kept


def _evaluation(line: bytes) -> dict[str, float] | None:
    try:
        found = json.loads(line)
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found.values())
        return found if numbers and isinstance(found["step"], int) and found["step"] >= 0 else None
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
