"""Functions compiled by numba, whose machine code is kept on disk from one process to the next."""

from typing import Any


def compile_where_damaged(*functions: Any) -> None:
    """Have functions of `numba.njit(cache=True)` compiled again where what is kept of them on disk cannot be read.

    numba takes whatever a full disk or a fault has left for its own, and ends in whatever its unpickling raises.
    """
    for function in functions:
        if "load_overload" not in vars(function._cache):  # not yet
            _tolerate(function._cache)


def _tolerate(cache: Any) -> None:
    load = cache.load_overload

    def load_or_none(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # of any kind: it is as if nothing had been kept
            cache.flush()
            return None

    cache.load_overload = load_or_none
