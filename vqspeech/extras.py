"""Optional packages, imported at their first use, and what they need to work: the cache of numba."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from vqspeech.errors import MissingExtra

TRAIN = ("matplotlib", "numba", "PIL", "scipy", "sklearn", "tensorboard")
"""Modules of the extra `train`: what training, scores, pictures and sampling from a WaveNet need, and conversion does
not."""


def require_training_packages() -> None:
    """Make sure that the extra `train` is installed, before the work starts.

    Raises:
        MissingExtra: It is not.
    """
    for name in TRAIN:
        if find_spec(name) is None:
            raise MissingExtra(name, "train")


@contextmanager
def name_missing_extra() -> Iterator[None]:
    """Raise `MissingExtra` in place of the `ModuleNotFoundError` of a package of the extra `train`."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in TRAIN:
            raise
        raise MissingExtra(package, "train") from error


def import_extra(name: str, extra: str) -> ModuleType:
    """Import a module of an optional extra.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(error.name or name, extra) from error


def recompile_damaged(*functions: Any) -> None:
    """Make functions of `numba.njit(cache=True)` compile again where their cache on disk cannot be read.

    Otherwise numba raises whatever unpickling a damaged file raises.
    """
    for function in functions:
        cache = function._cache  # noqa: SLF001 -- numba has no public access to it
        if "load_overload" not in vars(cache):  # not yet
            _tolerate_damage(cache)


def _tolerate_damage(cache: Any) -> None:
    load = cache.load_overload

    def load_or_none(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # noqa: BLE001 -- of any kind: as if nothing were cached
            cache.flush()
            return None

    cache.load_overload = load_or_none
