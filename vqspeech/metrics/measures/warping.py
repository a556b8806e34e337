"""Dynamic time warping of sequences of codes or frames, and the errors of ABX triples by it.

Compiled by numba at first use.
"""

# pyright: reportMissingParameterType=false
# Types of compiled functions come from their calls.

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from vqspeech.extras import import_extra, recompile_damaged


class Tokens(NamedTuple):
    """Tokens of sounds.

    Attributes:
        codes: Code sequences, one after the other, int32 `(frames,)`.
        starts: Where each begins, int64 `(tokens,)`, as all below.
        lengths: How long each is.
        sounds: Their (middle) phones.
        contexts: The phones beside them.
        speakers: Who says them.
        utterances: Where they are said.
    """

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
"""What distances of tokens are computed from: a table of distances of codes, or the directions of frames."""


class Cells(NamedTuple):
    """Tokens of one sound in one context by one speaker each.

    Attributes:
        members: Token indices, cell i from `edges[i]` to `edges[i + 1]`.
        edges: int64 `(cells + 1,)`.
        sounds: Of each cell.
        contexts: Of each cell.
        speakers: Of each cell.
        firsts: From here to `lasts` are the cells with the same context and speaker.
        lasts: See `firsts`.
    """

    members: np.ndarray
    edges: np.ndarray
    sounds: np.ndarray
    contexts: np.ndarray
    speakers: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray


def warped_distance(x: np.ndarray, y: np.ndarray, distances: Distances) -> float:
    """Return the mean distance along the best path through two code sequences int32 `(frames,)`.

    Numbers of directions follow each other. A path goes from both first codes to both last ones by steps of one in x,
    in y, or in both. The best one has the smallest sum, of those the fewest pairs; its sum is divided by its number of
    pairs.
    """
    longest = max(len(x), len(y))
    near = np.empty((longest, longest), np.float32)
    return _compiled()[0](x, y, *_arrays(distances), near, np.empty(longest), np.empty(longest, np.int64))


def add_cell_errors(
    tokens: Tokens,
    cells: Cells,
    tasks: np.ndarray,
    distances: Distances,
    group: np.ndarray,
    groups: int,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add the mean error of every cell of `tasks` to `sums`, and 1 to `counts`.

    Both are float64 `(groups + 1, sounds, speakers)`, by sound of B and speaker of A: at 0 that of all triples, at 1 +
    g of those without a token of group g. `group` is that of each token.
    """
    _compiled()[1](
        tokens.codes, tokens.starts, tokens.lengths, group, cells.members, cells.edges, cells.sounds, cells.speakers,
        cells.firsts, cells.lasts, tasks, *_arrays(distances), groups, sums, counts,
    )  # fmt: skip


def _arrays(distances: Distances) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of distances and the directions, of which one is empty."""
    empty = np.empty((0, 0), np.float32)
    return (empty, distances.vectors) if isinstance(distances, Directions) else (distances, empty)


@lru_cache(maxsize=1)
def _compiled() -> tuple[Callable[..., Any], Callable[..., Any]]:
    numba = import_extra("numba", "train")

    @numba.njit(nogil=True, cache=True)
    def compare(x, y, distances, directions, near):
        """Write the distances of all codes of x and y into near `(longest, longest)`."""
        if not len(directions):
            for i in range(len(x)):
                for j in range(len(y)):
                    near[i, j] = distances[x[i], y[j]]
            return
        cosines = np.dot(directions[x[0] : x[0] + len(x)], directions[y[0] : y[0] + len(y)].T)
        for i in range(len(x)):
            for j in range(len(y)):
                near[i, j] = np.arccos(min(max(cosines[i, j], np.float32(-1)), np.float32(1))) / np.pi

    @numba.njit(nogil=True, cache=True)
    def warp(x, y, distances, directions, near, cost, pairs):
        n, m = len(x), len(y)
        compare(x, y, distances, directions, near)
        table = near[0]
        cost[0], pairs[0] = table[0], 1
        for j in range(1, m):
            cost[j], pairs[j] = cost[j - 1] + table[j], j + 1
        for i in range(1, n):
            table = near[i]
            corner, corner_pairs = cost[0], pairs[0]
            cost[0] += table[0]
            pairs[0] += 1
            for j in range(1, m):
                best, length = corner, corner_pairs
                corner, corner_pairs = cost[j], pairs[j]
                if corner < best or (corner == best and corner_pairs < length):
                    best, length = corner, corner_pairs
                if cost[j - 1] < best or (cost[j - 1] == best and pairs[j - 1] < length):
                    best, length = cost[j - 1], pairs[j - 1]
                cost[j], pairs[j] = best + table[j], length + 1
        return cost[m - 1] / pairs[m - 1]

    @numba.njit(nogil=True, cache=True)
    def warps(codes, starts, lengths, xs, others, distances, directions, near, cost, pairs):
        found = np.empty((len(xs), len(others)))
        for i in range(len(xs)):
            x = codes[starts[xs[i]] : starts[xs[i]] + lengths[xs[i]]]
            for j in range(len(others)):
                y = codes[starts[others[j]] : starts[others[j]] + lengths[others[j]]]
                found[i, j] = warp(x, y, distances, directions, near, cost, pairs)
        return found

    @numba.njit(nogil=True, cache=True)
    def errors(
        codes, starts, lengths, group, members, edges, sounds, speakers, firsts, lasts, tasks, distances, directions,
        groups, sums, counts,
    ):  # fmt: skip
        longest = lengths.max()
        near = np.empty((longest, longest), np.float32)
        cost, pairs = np.empty(longest), np.empty(longest, np.int64)
        wrong, triples = np.empty(groups), np.empty(groups)
        for task in range(len(tasks)):
            a_cell, x_cell = tasks[task]
            a_items = members[edges[a_cell] : edges[a_cell + 1]]
            x_items = members[edges[x_cell] : edges[x_cell + 1]]
            to_a = warps(codes, starts, lengths, x_items, a_items, distances, directions, near, cost, pairs)
            for b_cell in range(firsts[a_cell], lasts[a_cell]):
                if b_cell == a_cell:
                    continue
                b_items = members[edges[b_cell] : edges[b_cell + 1]]
                to_b = warps(codes, starts, lengths, x_items, b_items, distances, directions, near, cost, pairs)
                all_wrong, all_triples = 0.0, 0.0
                wrong[:], triples[:] = 0.0, 0.0
                for x in range(len(x_items)):
                    gx = group[x_items[x]]
                    for a in range(len(a_items)):
                        if a_items[a] == x_items[x]:
                            continue
                        ga = group[a_items[a]]
                        for b in range(len(b_items)):
                            gb = group[b_items[b]]
                            err = 0.0
                            if to_b[x, b] < to_a[x, a]:
                                err = 1.0
                            elif to_b[x, b] == to_a[x, a]:
                                err = 0.5
                            all_wrong += err
                            all_triples += 1
                            wrong[gx] += err
                            triples[gx] += 1
                            if ga != gx:
                                wrong[ga] += err
                                triples[ga] += 1
                            if gb != gx and gb != ga:
                                wrong[gb] += err
                                triples[gb] += 1
                sound, speaker = sounds[b_cell], speakers[a_cell]
                sums[0, sound, speaker] += all_wrong / all_triples
                counts[0, sound, speaker] += 1
                for g in range(groups):
                    left = all_triples - triples[g]
                    if left > 0:
                        sums[1 + g, sound, speaker] += (all_wrong - wrong[g]) / left
                        counts[1 + g, sound, speaker] += 1

    recompile_damaged(compare, warp, warps, errors)
    return warp, errors
