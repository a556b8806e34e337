"""Optional packages, imported at their first use."""

import importlib
from types import ModuleType

from vqspeech.errors import MissingExtra


def module(name: str, extra: str) -> ModuleType:
    """The module `name`, a part of the optional extra `extra`. Raises `MissingExtra` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(error.name or name, extra) from error
