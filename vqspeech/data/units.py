"""Units files: the codes of utterances as text, what language models over units read.

One line an utterance, `utt-id c1 c2 c3 ...`, in C-locale order; beside it, under the same name with `.json` behind it,
{"rate_hz", "codes", "model", "sha256", "utterances"}: how many codes there are a second, how many different ones there
can be, which model made them, and what that model's encoder and codebook hash to.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import UnitsError
from vqspeech.files import write_text


@dataclass(frozen=True)
class Units:
    """Codes of utterances, int64 `(frames,)` each, from 0 to `size` - 1, `rate` of them a second (Hz), as made by
    `model`, whose encoder and codebook hash to `sha256`."""

    codes: dict[str, np.ndarray]
    rate: float
    size: int
    model: str
    sha256: str

    @property
    def described(self) -> dict[str, Any]:
        """What the side file says of the codes: {"rate_hz", "codes", "model", "sha256"}."""
        return {"rate_hz": self.rate, "codes": self.size, "model": self.model, "sha256": self.sha256}


def require_same(codes: Mapping[str, Any], learned: Mapping[str, Any], what: str) -> None:
    """Raises `UnitsError` where `what` has other codes than were `learned`, both described as in a side file: by
    number, rate or hash."""
    for key in ("codes", "rate_hz", "sha256"):
        if codes[key] != learned[key]:
            raise UnitsError(
                f"{what} has other codes than were learned from ({key} {str(codes[key])[:12]}, not "
                f"{str(learned[key])[:12]}); use the model they were made by, {learned['model']}, or one for its codes"
            )


def side_file(path: str | os.PathLike) -> Path:
    """Where the description of a units file is."""
    return Path(f"{os.fspath(path)}.json")


def write_units(
    path: str | os.PathLike,
    codes: Mapping[str, Iterable[int] | np.ndarray],
    rate: float,
    size: int,
    model: str,
    sha256: str,
) -> None:
    """Writes the codes of each utterance, and the side file, each in one piece.

    Raises `UnitsError` where an id cannot stand on a line, an utterance has no codes, or a code is out of range.
    """
    lines = []
    for name in sorted(codes):
        if name.split() != [name]:
            raise UnitsError(f"{name!r} is no utterance id; use names without blanks")
        lines.append(f"{name} {' '.join(map(str, _checked(f'{path}: {name}', codes[name], size).tolist()))}\n")
    described = {"rate_hz": rate, "codes": size, "model": model, "sha256": sha256, "utterances": len(lines)}
    write_text(side_file(path), json.dumps(described, indent=1) + "\n")
    write_text(path, "".join(lines))


def read_units(path: str | os.PathLike) -> Units:
    """The units file `path`.

    Raises `UnitsError`, naming file, line and fix, where it or its side file is missing, empty or malformed, an
    utterance stands twice or has no codes, a code is out of range, or the two files do not belong together.
    """
    if not os.path.isfile(path):
        raise UnitsError(f"{path}: no such file; make it with: vqspeech encode")
    described = _description(path)
    codes: dict[str, np.ndarray] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UnitsError(f"{path}: not text; give the file that vqspeech encode wrote") from None
    for number, line in enumerate(lines, 1):
        name, _, rest = line.strip().partition(" ")
        if not name:
            raise UnitsError(f"{path}:{number}: empty line; delete it")
        if name in codes:
            raise UnitsError(f"{path}:{number}: '{name}' stands twice; delete one of them")
        try:
            numbers = [int(field) for field in rest.split()]
        except ValueError:
            raise UnitsError(f"{path}:{number}: '{name}' has codes that are no integers; encode it again") from None
        codes[name] = _checked(f"{path}:{number}: {name}", numbers, described["codes"])
    if not codes:
        raise UnitsError(f"{path}: no utterances; encode again")
    if len(codes) != described.get("utterances", len(codes)):
        raise UnitsError(
            f"{path}: {len(codes)} utterances, {described['utterances']} by {side_file(path).name}; encode again"
        )
    return Units(codes, float(described["rate_hz"]), described["codes"], described["model"], described["sha256"])


def runs(codes: np.ndarray) -> np.ndarray:
    """Where each run of one code begins in codes `(frames,)`: int64 `(runs,)`."""
    return np.flatnonzero(np.concatenate([np.ones(min(len(codes), 1), bool), np.diff(codes) != 0]))


def write_runs(path: str | os.PathLike, units: Units) -> None:
    """Writes the codes with every run of one code as one, a line an utterance, as unit language models read them
    (Lakhotia et al. 2021, arXiv 2102.01192). How long they last is lost, so the file has no side file."""
    lines = [f"{name} {' '.join(map(str, codes[runs(codes)].tolist()))}\n" for name, codes in units.codes.items()]
    write_text(path, "".join(lines))


def _checked(where: str, codes: Iterable[int] | np.ndarray, size: int) -> np.ndarray:
    found = np.asarray(codes if isinstance(codes, np.ndarray) else list(codes))
    if not found.size or found.ndim != 1:
        raise UnitsError(f"{where}: no codes; leave the utterance out")
    if not np.issubdtype(found.dtype, np.integer) or found.min() < 0 or found.max() >= size:
        worst = found.min() if found.min() < 0 else found.max()
        raise UnitsError(f"{where}: code {worst} is not in 0 ... {size - 1}; encode again")
    return found.astype(np.int64)


def _description(path: str | os.PathLike) -> dict:
    side = side_file(path)
    if not side.is_file():
        raise UnitsError(f"{side}: no such file; it says what the codes in {Path(path).name} are, copy it beside them")
    try:
        described = json.loads(side.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnitsError(f"{side}: not JSON ({error}); encode again") from None
    kinds = {"rate_hz": (int, float), "codes": int, "model": str, "sha256": str}
    wrong = [
        key
        for key, kind in kinds.items()
        if not isinstance(described, dict) or not isinstance(described.get(key), kind) or described.get(key) is True
    ]
    if wrong:
        raise UnitsError(f"{side}: lacks {', '.join(wrong)}, or holds something else there; encode again")
    if described["rate_hz"] <= 0 or described["codes"] < 1:
        raise UnitsError(f"{side}: rate_hz and codes must be more than 0; encode again")
    return described
