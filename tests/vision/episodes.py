"""Codes of episodes to test with: of each frame, its episode, its moment and what was done in it can be read."""

from pathlib import Path

import numpy as np

from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.data.table import ImageTable

ACTIONS = ["forward", "left"]


def codes_of(lengths, size=64, numbers=None, actions=None, seed=0, sha256="5" * 64) -> ImageCodes:
    """Episodes of so many frames of 2x3 codes: (0, 0) is the episode's number, (0, 1) the moment, (1, 0) the action."""
    count = sum(lengths)
    number = np.repeat(range(len(lengths)) if numbers is None else numbers, lengths)
    done = np.array(np.random.default_rng(seed).integers(0, 2, count) if actions is None else actions)
    codes = np.random.default_rng(seed).integers(0, size, (count, 2, 3)).astype(np.uint16)
    codes[:, 0, 0], codes[:, 0, 1] = number, np.concatenate([np.arange(n) for n in lengths])
    codes[:, 1, 0] = np.maximum(done, 0)
    table = ImageTable([f"{i:03d}" for i in range(count)], np.full(count, -1), number, done)
    return ImageCodes(Path("CODES"), codes, table, [], ACTIONS, size, 1, 84 * 84 * 3, "exp/m", sha256)
