"""Tokens of sounds, and the cells of an ABX test that they lie in."""

from typing import NamedTuple

import numpy as np


class Tokens(NamedTuple):
    """Tokens of sounds: code sequences, one after the other in `codes` int32 `(frames,)`, with `starts` and `lengths`;
    the `sounds` (middle phones), `contexts`, `speakers` and `utterances` they are of, all int64 `(tokens,)`."""

    codes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    sounds: np.ndarray
    contexts: np.ndarray
    speakers: np.ndarray
    utterances: np.ndarray


class Directions(NamedTuple):
    """Vectors of length 1, float32 `(frames, dimension)`, whose angles, as parts of π, are their distances."""

    vectors: np.ndarray


Distances = np.ndarray | Directions
"""What tells tokens apart: a table of the distances of codes, or the directions of frames."""


class Cells(NamedTuple):
    """Tokens of one sound in one context by one speaker each: token indices `members`, cell i from `edges[i]` to
    `edges[i + 1]`; its `sounds`, `contexts` and `speakers`; and from `firsts` to `lasts` the cells with the same
    context and speaker."""

    members: np.ndarray
    edges: np.ndarray
    sounds: np.ndarray
    contexts: np.ndarray
    speakers: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray
