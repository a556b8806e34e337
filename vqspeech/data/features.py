"""Continuous features of utterances: the output of an encoder before its codebook, for tools that measure or use it.

FOLDER/UTTERANCE.npy      float32 (frames, dimension): what fastabx reads by extension=".npy", and textless tools
FOLDER/features.json      {"rate_hz", "dimension", "model", "sha256"}: frames per second, and what made them
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vqspeech.errors import UnitsError
from vqspeech.files import replace_file, write_text

SIDE = "features.json"
"""Name of the file that describes the features of a folder."""
SUFFIX = ".npy"


@dataclass(frozen=True)
class FeaturesAbout:
    """A description of features.

    Attributes:
        rate_hz: Vectors per second (Hz).
        dimension: Numbers per vector.
        model: The model that made them.
        sha256: Hash of its encoder and codebook.
    """

    rate_hz: float
    dimension: int
    model: str
    sha256: str


def write_features(folder: str | os.PathLike[str], name: str, features: np.ndarray) -> None:
    """Write the features `(frames, dimension)` of one utterance, atomically."""
    with replace_file(Path(folder) / f"{name}{SUFFIX}") as temporary, open(temporary, "wb") as file:
        np.save(file, features.astype(np.float32), allow_pickle=False)


def describe_features(folder: str | os.PathLike[str], about: FeaturesAbout) -> None:
    """Write the description of the features in a folder."""
    write_text(Path(folder) / SIDE, json.dumps(asdict(about), indent=1) + "\n")


def read_features(folder: str | os.PathLike[str], names: Iterable[str]) -> tuple[dict[str, np.ndarray], FeaturesAbout]:
    """Return the features of the utterances `names` that a folder has, and their description.

    Returns:
        Features by utterance, float32 `(frames, dimension)`; the description.

    Raises:
        UnitsError: The folder holds no features, or one of its files is damaged.
    """
    folder = Path(folder)
    try:
        about = FeaturesAbout(**json.loads((folder / SIDE).read_text(encoding="utf-8")))
        if not (0 < float(about.rate_hz) < float("inf") and int(about.dimension) > 0):
            raise ValueError("rate_hz and dimension must be more than 0")
    except (OSError, ValueError, TypeError) as error:
        raise UnitsError(f"{folder}: no features ({error}); make them with: vqspeech encode --features") from None
    found: dict[str, np.ndarray] = {}
    for name in names:
        path = folder / f"{name}{SUFFIX}"
        if not path.is_file():
            continue
        try:
            one = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UnitsError(f"{path}: cannot be read ({error}); encode again") from None
        if one.ndim != 2 or one.shape[1] != about.dimension or not np.isfinite(one).all():
            raise UnitsError(f"{path}: not finite numbers of {about.dimension} dimensions; encode again")
        found[name] = one.astype(np.float32)
    return found, about
