"""First-person worlds in which frames are recorded."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from vqspeech.errors import CorpusError

ACTIONS = ("forward", "left", "right", "back")
"""Actions of every world: walk, turn, walk backwards."""
SIZE = 84
"""Pixels of a side of a frame."""
WORLDS = {"vizdoom": "ViZDoom", "deepmind_lab": "DeepMindLab"}
"""Class of each world, in the module of its name."""


class World(Protocol):
    """A simulated world. Every action is held for `skip` ticks of its clock."""

    skip: int

    def start(self, name: str, seed: int, /) -> None:
        """Start an episode on a map; raise `CorpusError` if there is no map of that name."""
        ...

    def render(self) -> np.ndarray:
        """Return the view: uint8 `(3, 84, 84)`."""
        ...

    def act(self, action: int, /) -> bool:
        """Take one of `ACTIONS` and return whether the episode goes on."""
        ...

    def read_position(self) -> np.ndarray:
        """Return the position of the player in units of the world: float64 `(2,)`."""
        ...

    def close(self) -> None:
        """Close the world."""
        ...


def open_world(name: str, skip: int) -> World:
    """Open a world by name.

    Raises:
        CorpusError: The name is unknown.
        MissingExtra: The world is not installed.
    """
    if name not in WORLDS:
        raise CorpusError(f"no world '{name}'; there are {', '.join(WORLDS)}")
    return getattr(import_module(f"{__name__}.{name}"), WORLDS[name])(skip)


def list_maps(name: str) -> Sequence[str]:
    """List the maps of a world that are recorded by default."""
    module: Any = import_module(f"{__name__}.{name}")
    return module.MAPS
