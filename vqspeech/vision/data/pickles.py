"""Reading arrays, lists and text from a pickle without executing anything in it.

Of all names that a pickle can ask for, those of numpy's arrays are answered with stand-ins that only keep what they are
given, and every other name is refused. Arrays are made of the bytes here, for plain numbers alone.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import VqspeechError

_NUMBERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1")


class PickleError(VqspeechError):
    """A pickle that holds more than arrays, lists, dictionaries, numbers and text."""


class _Type:
    """Stands in for `numpy.dtype`."""

    def __init__(self, name: Any = "", *_: Any):
        self.name = name if isinstance(name, str) else ""
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.order = state[1]


class _Array:
    """Stands in for an array: keeps (version, shape, type, whether in Fortran's order, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The array. Raises `PickleError` where it is not one of plain numbers."""
        match self.state:
            case (_, tuple(shape), _Type() as kind, fortran, bytes(data)) if kind.name in _NUMBERS:
                if all(isinstance(n, int) and n >= 0 for n in shape):
                    flat = np.frombuffer(data, np.dtype(kind.order + kind.name))
                    return flat.reshape(shape, order="F" if fortran else "C")
        raise PickleError("an array in it is not one of plain numbers")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise PickleError("text in it is encoded in an unusual way")
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
            raise PickleError(f"it asks for {module}.{name}, which is not run")
        return _ANSWERS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise PickleError("it refers to something outside of it")


def arrays(path: str | Path) -> dict[str, Any]:
    """The dictionary in a pickle, with text for keys: arrays, lists, numbers, text.

    Raises `PickleError` where it is damaged, no dictionary, or asks for anything but numpy's arrays.
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
    except Exception as error:  # whatever a damaged pickle makes the reader stumble over
        raise PickleError(f"it is damaged ({error})") from None
