"""Reading of arrays, lists and text from a pickle without executing code.

The classes of numpy arrays are replaced by stand-ins that only store their arguments; every other name is refused.
Arrays are then built from the bytes, for plain number types only.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import VqspeechError

_NUMBERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1")


class PickleError(VqspeechError):
    """A pickle holds more than arrays, lists, dictionaries, numbers and text."""


class _Type:
    """Stand-in for `numpy.dtype`."""

    def __init__(self, name: Any = "", *_: Any):
        self.name = name if isinstance(name, str) else ""
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.order = state[1]


class _Array:
    """Stand-in for `numpy.ndarray`: stores (version, shape, type, Fortran order, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array; raise `PickleError` if it is not one of plain numbers."""
        match self.state:  # pyright: ignore[reportMatchNotExhaustive]
            case (_, tuple(shape), _Type() as kind, fortran, bytes(data)) if kind.name in _NUMBERS:
                if all(isinstance(n, int) and n >= 0 for n in shape):
                    flat = np.frombuffer(data, np.dtype(kind.order + kind.name))
                    return flat.reshape(shape, order="F" if fortran else "C")
        raise PickleError("one of its arrays does not hold plain numbers")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise PickleError("it has text in an unusual encoding")
    return text.encode("latin1")


_ANSWERS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ANSWERS:
            raise PickleError(f"it asks for {module}.{name}, which is refused")
        return _ANSWERS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise PickleError("it refers to something outside of it")


def read_pickle(path: str | Path) -> dict[str, Any]:
    """Read the dictionary in a pickle: text keys; arrays, lists, numbers and text as values.

    Raises:
        PickleError: The file is damaged, holds no dictionary, or refers to anything but numpy arrays.
    """
    try:
        with open(path, "rb") as file:
            found = _Reader(file, encoding="bytes").load()
        if not isinstance(found, dict):
            raise PickleError("it holds no dictionary")
        texts = {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in found.items()}
        return {key: value.array() if isinstance(value, _Array) else value for key, value in texts.items()}
    except PickleError:
        raise
    except Exception as error:  # noqa: BLE001, a damaged pickle can raise anything
        raise PickleError(f"it is damaged ({error})") from None
