"""Checks of the arguments that models take."""

from collections.abc import Sized
from numbers import Integral
from typing import Any

import numpy as np

from vqspeech.errors import ConfigError, SpeakerError, UnitsError

_HIGHEST = 8.0
"""Largest log F0 that is believed: exp(8) are 2981 Hz, and 8 Hz are no pitch."""


def check_name(name: Any) -> str:
    """Return the name of a voice; numbers are names too. Raise `SpeakerError` for anything else."""
    if isinstance(name, str):
        return name
    if isinstance(name, Integral) and not isinstance(name, bool):
        return str(name)
    raise SpeakerError(f"{name!r} is no name of a voice; give one as text, `vqspeech speakers` lists them")


def check_codes(codes: Any, size: int) -> np.ndarray:
    """Return codes as int64 `(codes,)`. Raise `UnitsError` where they are not codes of a codebook of `size`."""
    given = _array(codes)
    if given is None or given.ndim != 1 or not len(given) or given.dtype.kind not in "iu":
        what = f"of type {type(codes).__name__}" if given is None else f"{given.dtype} of shape {given.shape}"
        raise UnitsError(
            f"codes of an utterance are integers (codes,), at least one, not {what}; give those of `encode`"
        )
    if given.min() < 0 or given.max() >= size:
        wrong = given.min() if given.min() < 0 else given.max()
        raise UnitsError(f"code {wrong} is none of the {size} of this model; encode again with this model")
    return given.astype(np.int64)


def check_pitch(pitch: Any) -> np.ndarray:
    """Return log F0 as float32 `(frames,)`. Raise `ConfigError` for anything else."""
    given = _array(pitch)
    if given is None or given.ndim != 1 or given.dtype.kind not in "fiu" or not np.isfinite(given).all():
        raise ConfigError("pitch is log F0 of every 10 ms, (frames,), of finite numbers; give that of `move_pitch`")
    if given.max(initial=0.0) > _HIGHEST:
        raise ConfigError(
            f"a pitch of {given.max():g} is in Hz, not its logarithm; give numpy.log of it, 0 for unvoiced"
        )
    return given.astype(np.float32)


def check_counts(**lists: Sized) -> None:
    """Raise `ConfigError` where the lists, named by keyword, are not of one length."""
    counts = {name: 1 if isinstance(some, str) else len(some) for name, some in lists.items()}
    if len(set(counts.values())) > 1 or any(isinstance(some, str) for some in lists.values()):
        given = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise ConfigError(
            f"one of each is needed for every utterance, but there are {given}; give lists of the same length"
        )


def _array(values: Any) -> np.ndarray | None:
    try:
        return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (ValueError, TypeError):
        return None
