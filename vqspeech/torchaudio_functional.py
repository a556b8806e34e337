"""`torchaudio.functional`, also where torchaudio's compiled half does not fit the installed torch.

The wheels on the package index are CUDA builds: beside a CPU-only torch `import torchaudio` raises OSError although the
functions written in Python work. They are made importable by a stand-in for `torchaudio._extension` that says what is
true: the compiled half is not available. Only this module imports torchaudio.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType


def _unavailable(function: Callable) -> Callable:
    """A decorator for the functions that need the compiled half."""

    def fail(*_, **__):
        raise RuntimeError(f"{function.__name__}: torchaudio's compiled half is not available beside this torch")

    return fail


def functional() -> ModuleType:
    """The module `torchaudio.functional`."""
    try:
        return importlib.import_module("torchaudio.functional")
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        extension = ModuleType("torchaudio._extension")
        extension.__dict__.update(
            _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_unavailable
        )
        sys.modules["torchaudio._extension"] = extension
        return importlib.import_module("torchaudio.functional")
