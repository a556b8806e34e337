"""Frames recorded in a world, episode by episode: what is seen, and what is done."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from vqspeech.errors import CorpusError
from vqspeech.vision.data.corpus import Corpus
from vqspeech.vision.data.images import Image
from vqspeech.vision.data.worlds import ACTIONS, World
from vqspeech.vision.data.worlds.explorer import Explorer

LEAST = 3
"""Episodes of a map at least: one a part."""
WANDER = 60
"""Steps at most that are walked before an episode is recorded, so that not all begin at one place."""

TURNS = 20
"""Times that an episode is walked at most until it may be kept."""


def corpus(world: World, maps: Sequence[str], episodes: int, frames: int, seed: int) -> Corpus:
    """`episodes` episodes of `frames` frames of each map; the classes are the maps. Of every map's episodes the last
    tenth (one at least) is `test`, the one before it `dev`. The same seed gives the same frames. An episode with a
    frame of another set, as where all begin at one place, is walked anew, up to `TURNS` times in all.

    Raises `CorpusError` where there are too few episodes for three parts, or too few frames for an action.
    """
    if episodes < LEAST or frames < 2:
        raise CorpusError(f"{episodes} episodes of {frames} frames; use {LEAST} of 2 frames at least")
    held = max(1, episodes // 10)
    of = {"train": range(episodes - 2 * held), "dev": range(episodes - 2 * held, episodes - held)}
    of["test"] = range(episodes - held, episodes)
    told = (
        f"{episodes} episodes of {frames} frames on each of {', '.join(maps)}, an action every {world.skip} ticks; "
        f"dev and test: {held} of the episodes of each map"
    )
    seen: dict[bytes, str] = {}
    parts = {part: partial(_images, world, maps, which, frames, seed, part, seen) for part, which in of.items()}
    return Corpus(parts, list(maps), ACTIONS, told)


def episode(world: World, name: str, seed: Sequence[int], frames: int) -> Iterator[tuple[np.ndarray, int]]:
    """At most `frames` frames uint8 `(3, 84, 84)`, each with the action that was done at it and led to the next."""
    generator = np.random.default_rng(seed)
    world.start(name, int(generator.integers(1 << 31)))
    explorer, moved = Explorer(generator), np.inf
    wander = int(generator.integers(WANDER))
    for step in range(wander + frames):
        action, before, seen = explorer.next(moved), world.place(), world.frame() if step >= wander else None
        goes_on = world.act(action)
        if seen is not None:
            yield seen, action
        if not goes_on:
            return
        moved = float(np.linalg.norm(world.place() - before))


def _images(
    world: World, maps: Sequence[str], which: range, frames: int, seed: int, part: str, seen: dict[bytes, str]
) -> Iterator[Image]:
    """The frames of a part; `seen` has the part of every frame so far, by what its pixels hash to."""
    from tqdm import tqdm

    bar = tqdm(total=len(maps) * len(which), desc="record", unit="episode", disable=None, leave=False)
    for label, name in enumerate(maps):
        for number in which:
            walked: list[tuple[np.ndarray, int]] = []
            for turn in range(TURNS):
                walked = list(episode(world, name, (seed, label, number, turn), frames))
                # Who walks into the end of a map while wandering has no frames.
                if walked and all(seen.get(_hash(pixels), part) == part for pixels, _ in walked):
                    break
            for i, (pixels, action) in enumerate(walked):
                seen[_hash(pixels)] = part
                yield Image(f"{name}/{number:04d}/{i:05d}", pixels, label, 10_000 * label + number, action)
            bar.update()
    bar.close()


def _hash(pixels: np.ndarray) -> bytes:
    return hashlib.sha256(pixels.tobytes()).digest()
