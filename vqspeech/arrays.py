"""Arrays in .npy and .npz files: nothing in them is executed, and all damage is reported by one error."""

import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

_DAMAGED = (
    OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, SyntaxError, RuntimeError,
    MemoryError, zipfile.BadZipFile, zlib.error, tokenize.TokenError, struct.error,
)  # fmt: skip
"""What numpy ends in, where what it reads is not as it wrote it."""


class ArrayError(Exception):
    """A file that does not hold the arrays that it should. The caller adds the file's name."""


def read_arrays(path: str | os.PathLike, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file.

    Args:
        path: The file.
        names: The arrays to read, as far as they exist; None: all.

    Raises:
        ArrayError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            wanted = file.files if names is None else [name for name in names if name in file.files]
            found = {name: file[name] for name in wanted}
    except _DAMAGED as error:
        raise ArrayError(_reason(error)) from None
    wrong = [name for name, one in found.items() if not isinstance(one, np.ndarray)]
    if wrong:
        raise ArrayError(f"'{wrong[0]}' is not an array")
    return found


def map_array(path: str | os.PathLike) -> np.ndarray:
    """Map the array of an .npy file into memory.

    Raises:
        ArrayError: The file is damaged.
        FileNotFoundError: There is no such file.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise ArrayError(_reason(error)) from None
    if not isinstance(found, np.ndarray):
        raise ArrayError("it does not hold a single array")
    return found


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error.strerror or error)
