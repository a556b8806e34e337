"""Units files: the codes of utterances, which unit language models read.

One line per utterance, `utt-id c1 c2 c3 ...`, in C-locale order; or JSON lines or Parquet, by the ending of the name
(`vqspeech.data.unit_formats`). A side file, with `.json` added to the name, has {"rate_hz", "codes", "model", "sha256",
"utterances", "frames", "units_sha256"}: codes per second, size of the codebook, the model and the hash of its encoder
and codebook; numbers of utterances and codes in the file and the hash of its lines, the same in every format, which
detects a truncated file or a foreign one. Side files without the last two are read as well. Codes of several stages
have "stages", the sizes of each: c is the number of the codes of all stages, that of the first one slowest
(`numpy.unravel_index(c, stages)`).
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.data.datadir import DataDir
from vqspeech.data.unit_formats import find_format, format_line
from vqspeech.errors import UnitsError
from vqspeech.files import replace_file, write_text
from vqspeech.storage import fetch_file


@dataclass(frozen=True)
class Units:
    """The codes of utterances.

    Attributes:
        codes: int64 `(frames,)` of each utterance, from 0 to `size` - 1.
        rate: Codes per second (Hz).
        size: Number of different codes.
        model: The model that made them.
        sha256: Hash of its encoder and codebook.
        stages: Sizes of the codebooks, for codes of several stages.
    """

    codes: dict[str, np.ndarray]
    rate: float
    size: int
    model: str
    sha256: str
    stages: tuple[int, ...] = ()

    @property
    def description(self) -> dict[str, Any]:
        """What the side file says of the codes: {"rate_hz", "codes", "model", "sha256"}."""
        return {"rate_hz": self.rate, "codes": self.size, "model": self.model, "sha256": self.sha256}


def require_same_codes(codes: Mapping[str, Any], learned: Mapping[str, Any], what: str) -> None:
    """Check that codes are those that a model learned from, by number, rate and hash.

    Args:
        codes: Description of the codes, as in a side file.
        learned: Description of the codes of the training data.
        what: Who has `codes`, for the message.

    Raises:
        UnitsError: They differ.
    """
    for key in ("codes", "rate_hz", "sha256"):
        if codes[key] != learned[key]:
            raise UnitsError(
                f"{what} has other codes than the prior was trained on ({key} {str(codes[key])[:12]}, not "
                f"{str(learned[key])[:12]}); use the model they were made by, {learned['model']}, or one for its codes"
            )


def require_common_utterances(units: Units, data: DataDir) -> None:
    """Check that some utterance of `units` is in the data directory.

    Raises:
        UnitsError: None is; the message has examples of both.
    """
    if not any(name in data for name in units.codes):
        ours, theirs = (", ".join(list(some)[:3]) for some in (units.codes, data.utterances))
        fix = "give the data directory that they were encoded from"
        raise UnitsError(
            f"none of {len(units.codes)} utterances of the units ({ours}) is among the {len(data)} of the data "
            f"directory ({theirs}); {fix}"
        )


def side_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of the side file of a units file."""
    return Path(f"{os.fspath(path)}.json")


def write_units(
    path: str | os.PathLike[str],
    codes: Mapping[str, Iterable[int] | np.ndarray],
    rate: float,
    size: int,
    model: str,
    sha256: str,
    stages: Sequence[int] = (),
) -> None:
    """Write the codes of each utterance, and the side file, each atomically.

    The side file, with the hash of the codes, takes its place just before them: a kill between the two leaves a pair
    that `read_units` rejects, whatever was there before.

    Args:
        path: The file.
        codes: Codes by utterance id.
        rate: Codes per second (Hz).
        size: Number of different codes.
        model: The model that made them.
        sha256: Hash of its encoder and codebook.
        stages: Sizes of the codebooks, for codes of several stages.

    Raises:
        UnitsError: An id contains blanks, an utterance has no codes, or a code is out of range.
    """
    checked: dict[str, np.ndarray] = {}
    for name in sorted(codes):
        if name.split() != [name]:
            raise UnitsError(f"{name!r} is not an utterance id; use names without blanks")
        checked[name] = _check_codes(f"{path}: {name}", codes[name], size)
    described = {"rate_hz": rate, "codes": size, "model": model, "sha256": sha256}
    _write_parts(path, [checked], described, stages)


def join_units(paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> list[str]:
    """Join units files, one after the other, so that the result need not fit into memory; return the ids.

    Raises:
        UnitsError: A file is damaged, they are of different models, or not one after the other in the order of ids.
    """
    if not paths:
        raise UnitsError(f"{out}: no units to join; see why everything was skipped")
    first, ids = read_units(paths[0]), list[str]()

    def read_parts() -> Iterator[dict[str, np.ndarray]]:
        for path in paths:
            part = read_units(path)
            require_same_codes(part.description, first.description, f"{path}:")
            if ids and min(part.codes) <= ids[-1]:
                raise UnitsError(f"{path}: has utterances that do not follow those before; join files of other shards")
            ids.extend(part.codes)
            yield part.codes

    _write_parts(out, read_parts(), first.description, first.stages)
    return ids


def _write_parts(
    path: str | os.PathLike[str],
    parts: Iterable[Mapping[str, np.ndarray]],
    described: Mapping[str, Any],
    stages: Sequence[int],
) -> None:
    """Write the codes of utterances, which come sorted, and the side file."""
    digest, utterances, frames = hashlib.sha256(), 0, 0
    written = find_format(path)
    with replace_file(path) as temporary:
        with written.write(temporary) as write:
            for part in parts:
                write(part)
                for name, codes in part.items():
                    digest.update(format_line(name, codes).encode())
                utterances += len(part)
                frames += sum(map(len, part.values()))
        summary = {"utterances": utterances, "frames": frames, "units_sha256": digest.hexdigest()}
        about = {**described, **summary, **({"stages": list(stages)} if len(stages) > 1 else {})}
        write_text(side_file(path), json.dumps(about, indent=1) + "\n")


def read_units(path: str | os.PathLike[str]) -> Units:
    """Return the units file `path`, which may be a URL.

    Ids end at any white space; a byte order mark and DOS line ends do not matter.

    Raises:
        UnitsError: The file or its side file is missing, empty or malformed, an utterance appears twice or has no
            codes, a code is out of range, the file is truncated, or the two files do not belong together; the message
            names file, line and fix.
        StorageError: The URL cannot be read.
    """
    path = fetch_file(path, ".json")
    if not path.is_file():
        raise UnitsError(f"{path}: no such file; make it with: vqspeech encode")
    described = _read_description(path)
    codes: dict[str, np.ndarray] = {}
    for row in find_format(path).read(path):
        if row.id in codes:
            raise UnitsError(f"{row.where}: '{row.id}' occurs twice; delete one of them")
        codes[row.id] = _check_codes(f"{row.where}: {row.id}", row.codes, described["codes"])
    if not codes:
        raise UnitsError(f"{path}: no utterances; encode again")
    _check_contents(path, codes, described)
    size, model, sha256 = (described[key] for key in ("codes", "model", "sha256"))
    return Units(codes, float(described["rate_hz"]), size, model, sha256, tuple(described.get("stages", ())))


def find_runs(codes: np.ndarray) -> np.ndarray:
    """Return where each run of one code begins in codes `(frames,)`: int64 `(runs,)`."""
    return np.flatnonzero(np.concatenate([np.ones(min(len(codes), 1), bool), np.diff(codes) != 0]))


def write_runs(path: str | os.PathLike[str], parts: Iterable[Units]) -> None:
    """Write the codes with every run of one code merged into one, as unit language models read them.

    See Lakhotia et al. 2021 (arXiv 2102.01192). The durations are lost, so the file has no side file.
    """
    with replace_file(path) as temporary, find_format(path).write(temporary) as write:
        for units in parts:
            write({name: codes[find_runs(codes)] for name, codes in units.codes.items()})


def _summarise(codes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what the side file says of the codes in the units file, regardless of order and white space."""
    digest = hashlib.sha256()
    for name, some in sorted(codes.items()):
        digest.update(format_line(name, some).encode())
    return {"utterances": len(codes), "frames": sum(map(len, codes.values())), "units_sha256": digest.hexdigest()}


def _check_contents(
    path: str | os.PathLike[str], codes: Mapping[str, np.ndarray], described: Mapping[str, Any]
) -> None:
    """Raise `UnitsError` where the codes are not those of the side file."""
    side, contents = side_file(path).name, _summarise(codes)
    for key, what in (("utterances", "utterances"), ("frames", "codes")):
        if described.get(key, contents[key]) != contents[key]:
            raise UnitsError(f"{path}: {contents[key]} {what}, {described[key]} by {side}; encode again")
    if described.get("units_sha256", contents["units_sha256"]) != contents["units_sha256"]:
        raise UnitsError(f"{path}: not the codes that {side} describes, which may be another model's; encode again")
    if "units_sha256" not in described and not Path(path).read_bytes().endswith(b"\n"):  # of version 0.1.0
        raise UnitsError(f"{path}: ends within its last line; encode again")


def _check_codes(where: str, codes: Iterable[int] | np.ndarray, size: int) -> np.ndarray:
    found = np.asarray(codes if isinstance(codes, np.ndarray) else list(codes))
    if not found.size or found.ndim != 1:
        raise UnitsError(f"{where}: no codes; leave the utterance out")
    if not np.issubdtype(found.dtype, np.integer) or found.min() < 0 or found.max() >= size:
        worst = found.min() if found.min() < 0 else found.max()
        raise UnitsError(f"{where}: code {worst} is not in 0 ... {size - 1}; encode again")
    return found.astype(np.int64)


def _read_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    side = side_file(path)
    if not side.is_file():
        raise UnitsError(f"{side}: no such file; it describes the codes in {Path(path).name}, copy it to their folder")
    try:
        described = json.loads(side.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UnitsError(f"{side}: not JSON ({error}); encode again") from None
    kinds = {"rate_hz": (int, float), "codes": int, "model": str, "sha256": str}
    wrong = [
        key
        for key, kind in kinds.items()
        if not isinstance(described, dict) or not isinstance(described.get(key), kind) or described.get(key) is True
    ]
    if wrong:
        raise UnitsError(f"{side}: missing or of another type: {', '.join(wrong)}; encode again")
    if not 0 < described["rate_hz"] < float("inf") or described["codes"] < 1:
        raise UnitsError(f"{side}: rate_hz and codes must be more than 0; encode again")
    stages = described.get("stages", [described["codes"]])
    whole = isinstance(stages, list) and all(type(size) is int and size > 0 for size in stages)
    if not whole or math.prod(stages) != described["codes"]:
        raise UnitsError(f"{side}: stages must be the sizes of {described['codes']} codes; encode again")
    return described
