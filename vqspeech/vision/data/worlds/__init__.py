"""First-person worlds that frames are recorded in."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from vqspeech.errors import CorpusError

ACTIONS = ("forward", "left", "right", "back")
"""What can be done in every world: walk, turn, walk backwards."""
SIZE = 84
"""Pixels of a side of a frame."""
WORLDS = {"vizdoom": "ViZDoom", "deepmind_lab": "DeepMindLab"}
"""Worlds by name, each a class of a module of this name."""


class World(Protocol):
    """A world at one of its maps. Every action is held for `skip` ticks of the world's clock."""

    skip: int

    def start(self, name: str, seed: int, /) -> None:
        """Begins an episode on a map. Raises `CorpusError` where there is no map of that name."""
        ...

    def frame(self) -> np.ndarray:
        """What is seen: uint8 `(3, 84, 84)`."""
        ...

    def act(self, action: int, /) -> bool:
        """Does one of `ACTIONS`; whether the episode goes on."""
        ...

    def place(self) -> np.ndarray:
        """Where one stands, in units of the world: float64 `(2,)`."""
        ...

    def close(self) -> None:
        """Ends the world."""
        ...


def world(name: str, skip: int) -> World:
    """The world of that name. Raises `CorpusError` for an unknown one, `MissingExtra` where it is not installed."""
    if name not in WORLDS:
        raise CorpusError(f"no world '{name}'; there are {', '.join(WORLDS)}")
    return getattr(import_module(f"{__name__}.{name}"), WORLDS[name])(skip)


def maps_of(name: str) -> Sequence[str]:
    """Maps of a world that are recorded unless others are named."""
    module: Any = import_module(f"{__name__}.{name}")
    return module.MAPS
