"""The functions of torchaudio that are written in Python, as oracles, whichever torch is installed."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def import_torchaudio_functional() -> ModuleType:
    """Import `torchaudio.functional`, also where torchaudio's compiled half does not fit the installed torch.

    The wheels on the package index are CUDA builds: with a CPU-only torch, `import torchaudio` raises OSError although
    the functions written in Python work. A substitute for `torchaudio._extension` that declares the compiled half
    unavailable makes them importable.
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
