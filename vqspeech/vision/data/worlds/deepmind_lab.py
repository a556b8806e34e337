"""DeepMind Lab (Beattie et al., 1612.03801), if its Python module is installed.

No package index has the module, and it was not available when this was written: the calls follow its documentation and
have not been run.
"""

from importlib import import_module
from typing import Any

import numpy as np

from vqspeech.errors import CorpusError
from vqspeech.vision.data.worlds import SIZE

MAPS = (
    "nav_maze_static_01",
    "nav_maze_static_02",
    "nav_maze_static_03",
    "nav_maze_random_goal_01",
    "stairway_to_melon",
)
TURN = 20
"""Pixels that a turn moves the view, for each frame."""
# Look aside, look up, strafe, walk, fire, jump, crouch.
_MOVES = ((0, 0, 0, 1, 0, 0, 0), (-TURN, 0, 0, 0, 0, 0, 0), (TURN, 0, 0, 0, 0, 0, 0), (0, 0, 0, -1, 0, 0, 0))
_FRAME, _PLACE = "RGB_INTERLEAVED", "DEBUG.POS.TRANS"


class DeepMindLab:
    """DeepMind Lab as a `World`. A tick is 1/60 s."""

    def __init__(self, skip: int):
        try:
            self.library: Any = import_module("deepmind_lab")
        except ImportError as error:
            raise CorpusError(
                f"DeepMind Lab cannot be imported ({error}); build it from its sources, or use --world vizdoom"
            ) from None
        self.skip, self.name = skip, ""
        self.lab: Any = None

    def start(self, name: str, seed: int) -> None:
        """Start an episode on a level."""
        if name != self.name or self.lab is None:
            self.close()
            config = {"width": str(SIZE), "height": str(SIZE)}
            try:
                self.lab, self.name = self.library.Lab(name, [_FRAME, _PLACE], config=config), name
            except Exception as error:  # noqa: BLE001, the library's own exceptions
                raise CorpusError(f"DeepMind Lab has no level '{name}' ({error}); name another one") from None
        self.lab.reset(seed=seed % (1 << 31))

    def render(self) -> np.ndarray:
        """Return the view: uint8 `(3, 84, 84)`."""
        return np.asarray(self.lab.observations()[_FRAME], np.uint8).transpose(2, 0, 1)

    def act(self, action: int) -> bool:
        """Take an action and return whether the episode goes on."""
        self.lab.step(np.array(_MOVES[action], np.intc), num_steps=self.skip)
        return bool(self.lab.is_running())

    def read_position(self) -> np.ndarray:
        """Return the position of the player: float64 `(2,)`."""
        return np.asarray(self.lab.observations()[_PLACE], np.float64)[:2]

    def close(self) -> None:
        """Close the level."""
        if self.lab is not None:
            self.lab.close()
        self.lab = None
