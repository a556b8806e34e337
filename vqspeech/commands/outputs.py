"""Outputs of commands: checks before any work, and sound on standard output (not a verb)."""

import argparse
import json
import math
import os
import struct
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vqspeech import audio
from vqspeech.data.datadir import DataDir
from vqspeech.errors import OutputError, VqspeechError
from vqspeech.files import check_file, ignores_case
from vqspeech.jobs import Skipped
from vqspeech.storage import find_file

Key = TypeVar("Key", bound=Hashable)


def check_file_name(name: str, what: str) -> None:
    """Raise `OutputError` where `name`, the name of `what`, cannot be the name of a file or folder."""
    if name in ("", ".", "..") or any(c in "/\\" or unicodedata.category(c) == "Cc" for c in name):
        raise OutputError(f"{what} {name!r} cannot name a file or folder; give it another name")


def check_outputs(
    outputs: Mapping[Key, Path], inputs: Iterable[str | os.PathLike], skipped: Skipped
) -> dict[Key, Path]:
    """Return those of `outputs` that can be written; the others are added to `skipped`.

    Raises:
        OutputError: An output is one of the `inputs`, two are the same file, or the only one cannot be written.
    """
    known = {identity: path for path in inputs if (identity := _identity(find_file(path)))}
    places: dict[str, Path] = {}
    kept: dict[Key, Path] = {}
    for key, path in outputs.items():
        if (identity := _identity(path)) in known:
            raise OutputError(f"{path}: is the input {known[identity]}, which would be lost; choose another --out")
        twin = places.setdefault(unicodedata.normalize("NFC", str(path)).casefold(), path)
        if twin is not path and (str(twin) == str(path) or ignores_case(path.parent)):
            raise OutputError(f"{twin} and {path} are the same file on this system; write them to different folders")
        try:
            check_file(path)
        except VqspeechError as error:
            if len(outputs) == 1:
                raise
            skipped.add(str(path), error)
        else:
            kept[key] = path
    return kept


def check_stdout() -> None:
    """Raise `OutputError` where standard output is a terminal."""
    if os.isatty(1):
        raise OutputError("standard output (-) is a terminal; send the sound to a file: ... > FILE.wav")


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; numbers that are not finite are null, as JSON has none."""
    print(json.dumps(_replace_nan(value), ensure_ascii=False), flush=True)


def print_counts(args: argparse.Namespace, path: str | os.PathLike, data: DataDir) -> None:
    """Print the size of a data directory that was written to `path`, as JSON with `args.json`."""
    if args.json:
        print_json({"data": os.fspath(path), **data.counts})
    else:
        print(f"{path}: {data.summary()}")


def write_stdout(parts: Iterable[np.ndarray], samples: int, rate: int = audio.RATE) -> None:
    """Write a waveform to standard output as a 16-bit WAV.

    It does not go through `sys.stdout`, so that a closed pipe ends the work.

    Args:
        parts: The waveform in parts, float32 `(time,)` each.
        samples: Its length, which is written to the header first.
        rate: Samples per second (Hz).
    """
    size = min(2 * samples, 2**32 - 37)
    layout = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size)
    with open(1, "wb", closefd=False) as output:
        output.write(struct.pack("<4sI4s4sIHHIIHH4sI", *layout))
        for part in parts:
            levels = np.floor(np.clip(part, -1.0, 1.0).astype(np.float64) * 32768)  # as libsndfile rounds
            output.write(np.minimum(levels, 32767).astype("<i2").tobytes())
            output.flush()


def _replace_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _identity(path: str | os.PathLike) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
