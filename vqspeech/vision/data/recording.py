"""Recording of frames and actions in a simulated world, episode by episode."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from vqspeech.errors import CorpusError
from vqspeech.progress import Work
from vqspeech.vision.data.corpora import Corpus
from vqspeech.vision.data.images import Image
from vqspeech.vision.data.worlds import ACTIONS, World

MIN_EPISODES = 3
"""Minimum number of episodes a map: one for each part."""
MAX_WANDER = 60
"""Maximum number of steps before recording starts, so that episodes begin at different places."""

MAX_ATTEMPTS = 20
"""Maximum number of times that an episode is recorded anew."""

FORWARD, LEFT, RIGHT, BACK = range(len(ACTIONS))
STUCK = 2.0
"""Minimum units of the world that a step forward covers unless a wall is in the way."""
_ODDS = (0.6, 0.17, 0.17, 0.06)
_LONGEST = (16, 7, 7, 4)


class Explorer:
    """Script that walks through a world: it goes ahead, turns away from walls, and turns at random.

    Each action is repeated for a random number of steps: ahead up to 15, turns up to 6, back up to 3. A wall ends going
    ahead and is followed by a turn of 3 to 8 steps.
    """

    def __init__(self, generator: np.random.Generator):
        self.generator, self.action, self.left = generator, FORWARD, 0

    def choose_action(self, moved: float) -> int:
        """Choose the next action after one that moved the player by `moved` units of the world."""
        if self.action == FORWARD and moved < STUCK:
            self.action, self.left = int(self.generator.choice((LEFT, RIGHT))), int(self.generator.integers(3, 9))
        elif self.left <= 0:
            self.action = int(self.generator.choice(len(ACTIONS), p=_ODDS))
            self.left = int(self.generator.integers(1, _LONGEST[self.action]))
        self.left -= 1
        return self.action


def record_corpus(world: World, maps: Sequence[str], episodes: int, frames: int, seed: int) -> Corpus:
    """Record `episodes` episodes of `frames` frames on each map; the classes are the maps.

    The last tenth of the episodes of a map (at least one) is `test`, the tenth before it `dev`. The same seed gives the
    same frames. An episode with a frame that is also in another part is recorded anew, up to `MAX_ATTEMPTS` times.

    Args:
        world: The world.
        maps: Names of its maps.
        episodes: Episodes of each map.
        frames: Frames an episode.
        seed: Seed of maps and explorer.

    Raises:
        CorpusError: There are too few episodes for three parts, or too few frames for an action.
    """
    if episodes < MIN_EPISODES or frames < 2:
        raise CorpusError(f"{episodes} episodes of {frames} frames; use at least {MIN_EPISODES} episodes of 2 frames")
    held = max(1, episodes // 10)
    of = {"train": range(episodes - 2 * held), "dev": range(episodes - 2 * held, episodes - held)}
    of["test"] = range(episodes - held, episodes)
    note = (
        f"{episodes} episodes of {frames} frames on each of {', '.join(maps)}, an action every {world.skip} ticks; "
        f"dev and test: {held} of the episodes of each map"
    )
    seen: dict[bytes, str] = {}
    parts = {part: partial(_images, world, maps, which, frames, seed, part, seen) for part, which in of.items()}
    return Corpus(parts, list(maps), ACTIONS, note)


def record_episode(world: World, name: str, seed: Sequence[int], frames: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield at most `frames` frames uint8 `(3, 84, 84)`, each with the action taken at it."""
    generator = np.random.default_rng(seed)
    world.start(name, int(generator.integers(1 << 31)))
    explorer, moved = Explorer(generator), np.inf
    wander = int(generator.integers(MAX_WANDER))
    for step in range(wander + frames):
        action, before, seen = (
            explorer.choose_action(moved),
            world.read_position(),
            world.render() if step >= wander else None,
        )
        goes_on = world.act(action)
        if seen is not None:
            yield seen, action
        if not goes_on:
            return
        moved = float(np.linalg.norm(world.read_position() - before))


def _images(
    world: World, maps: Sequence[str], which: range, frames: int, seed: int, part: str, seen: dict[bytes, str]
) -> Iterator[Image]:
    """Yield the frames of a part; `seen` maps the hash of every frame so far to its part."""
    with Work("record", len(maps) * len(which), "episode") as work:
        for label, name in enumerate(maps):
            for number in which:
                walked: list[tuple[np.ndarray, int]] = []
                for turn in range(MAX_ATTEMPTS):
                    walked = list(record_episode(world, name, (seed, label, number, turn), frames))
                    # Who walks into the end of a map while wandering has no frames.
                    if walked and all(seen.get(_hash(pixels), part) == part for pixels, _ in walked):
                        break
                for i, (pixels, action) in enumerate(walked):
                    seen[_hash(pixels)] = part
                    yield Image(f"{name}/{number:04d}/{i:05d}", pixels, label, 10_000 * label + number, action)
                work.update()


def _hash(pixels: np.ndarray) -> bytes:
    return hashlib.sha256(pixels.tobytes()).digest()
