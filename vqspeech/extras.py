"""Optional packages, imported at their first use, and what they need to work: torchaudio, the cache of numba."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from vqspeech.errors import MissingExtra


def import_extra(name: str, extra: str) -> ModuleType:
    """Import a module of an optional extra.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(error.name or name, extra) from error


def import_torchaudio_functional() -> ModuleType:
    """Import `torchaudio.functional`, also where torchaudio's compiled half does not fit the installed torch.

    The wheels on the package index are CUDA builds: with a CPU-only torch, `import torchaudio` raises OSError although
    the functions written in Python work. A substitute for `torchaudio._extension` that declares the compiled half
    unavailable makes them importable. Nothing else imports torchaudio.
    """
    try:
        return importlib.import_module("torchaudio.functional")
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        extension = ModuleType("torchaudio._extension")
        extension.__dict__.update(
            _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_fail_when_called
        )
        sys.modules["torchaudio._extension"] = extension
        return importlib.import_module("torchaudio.functional")


def _fail_when_called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that needs torchaudio's compiled half."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"{function.__name__}: torchaudio's compiled half does not work with the installed torch")

    return fail


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
