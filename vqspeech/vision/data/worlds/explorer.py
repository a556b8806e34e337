"""Whoever walks through a world: a script that goes ahead, turns where it meets a wall, and now and then anyway."""

import numpy as np

from vqspeech.vision.data.worlds import ACTIONS

FORWARD, LEFT, RIGHT, BACK = range(len(ACTIONS))
STUCK = 2.0
"""Units of the world that a step forward leads at least, unless there is a wall."""
_ODDS = (0.6, 0.17, 0.17, 0.06)
_LONGEST = (16, 7, 7, 4)


class Explorer:
    """Gives actions one by one. Each is kept up for a random number of steps: ahead up to 15, turning up to 6, back up
    to 3; a wall ends going ahead, and is turned away from by 3 to 8 steps to one side."""

    def __init__(self, generator: np.random.Generator):
        self.generator, self.action, self.left = generator, FORWARD, 0

    def next(self, moved: float) -> int:
        """The next action, after one that led `moved` units of the world away."""
        if self.action == FORWARD and moved < STUCK:
            self.action, self.left = int(self.generator.choice((LEFT, RIGHT))), int(self.generator.integers(3, 9))
        elif self.left <= 0:
            self.action = int(self.generator.choice(len(ACTIONS), p=_ODDS))
            self.left = int(self.generator.integers(1, _LONGEST[self.action]))
        self.left -= 1
        return self.action
