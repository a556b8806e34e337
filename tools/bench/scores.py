"""An hour of units and phones that is like speech for what scoring costs, and ABX as plain loops."""

import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from speech import recordings

from vqspeech import audio
from vqspeech.data.alignment import Interval, write_textgrid
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import PHONES
from vqspeech.data.units import Units
from vqspeech.metrics import aligned
from vqspeech.metrics.evaluations import units as unit_metrics
from vqspeech.metrics.measures import abx

SPEAKERS, SECONDS, RATE, SIZE = 40, 10.0, 50.0, 512


def corpus(folder: Path, seconds: float, speakers: int = SPEAKERS) -> tuple[Units, DataDir]:
    """Utterances of 10 s with aligned phones of 40 to 160 ms, and codes at 50 Hz that tell them half of the time."""
    draw = np.random.default_rng(0)
    sounds = [one.path for one in recordings(str(folder), 8 * SECONDS, audio.RATE, "wav", SECONDS)]
    rows, codes = [], {}
    for i in range(round(seconds / SECONDS)):
        name = f"s{i % speakers:02d}-{i:05d}"
        edges = np.concatenate([[0], np.cumsum(draw.uniform(0.04, 0.16, round(SECONDS / 0.1)))])
        phones = draw.choice(len(PHONES), len(edges) - 1, p=draw.dirichlet(np.ones(len(PHONES)))).tolist()
        spans = zip(edges[:-1].tolist(), edges[1:].tolist(), phones, strict=True)
        intervals = [
            Interval(start, min(end, SECONDS), PHONES[phone]) for start, end, phone in spans if start < SECONDS
        ]
        path = folder / f"{name}.TextGrid"
        write_textgrid(path, {"phones": intervals}, SECONDS)
        frames = int(SECONDS * RATE)
        at = np.searchsorted(edges, (np.arange(frames) + 0.5) / RATE) - 1
        told = np.array(phones)[at.clip(max=len(phones) - 1)] * 12 + draw.integers(0, 12, frames)
        codes[name] = np.where(draw.random(frames) < 0.5, told, draw.integers(0, SIZE, frames))
        rows.append(Utterance(name, name[:3], sounds[i % len(sounds)], alignment=str(path), seconds=SECONDS))
    return Units(codes, RATE, SIZE, "none", "0" * 64), DataDir(rows)


def scoring(seconds: float, nj: int) -> dict[str, float]:
    """Seconds that the report takes in one process, and each kind of ABX, compiled before, in `nj` threads."""
    with TemporaryDirectory() as folder:
        units, data = corpus(Path(folder), seconds)
        started = time.perf_counter()
        unit_metrics.score_units(units, data)
        times = {"all but ABX": time.perf_counter() - started}
        utterances = aligned.collect_utterances(units, data).utterances
    table = abx.identity_distances(SIZE)
    abx.estimate_error(abx.find_phones(utterances[:2]), table, False)
    for name, tokens in (("triphones", abx.find_triphones), ("phones", abx.find_phones)):
        found = tokens(utterances)
        for across in (False, True):
            started = time.perf_counter()
            abx.estimate_error(found, table, across, nj=nj)
            times[f"ABX, {name}, {'across' if across else 'within'}"] = time.perf_counter() - started
    return times


def plain(seconds: float, speakers: int) -> tuple[float, float, float]:
    """ABX of phones within speakers: seconds of plain loops, of ours on one core, and by how much the two differ."""
    with TemporaryDirectory() as folder:
        units, data = corpus(Path(folder), seconds, speakers)
        tokens = abx.find_phones(aligned.collect_utterances(units, data).utterances)
    found = abx.group_tokens(tokens)
    pairs, table = abx.list_comparisons(found, across=False), abx.identity_distances(SIZE)
    abx.estimate_error(tokens, table, False)
    started = time.perf_counter()
    ours = abx.estimate_error(tokens, table, False).value
    took = time.perf_counter() - started
    started = time.perf_counter()
    theirs = _plain(tokens, found, pairs)
    return time.perf_counter() - started, took, abs(ours - theirs)


def _plain(tokens: abx.Tokens, found: abx.Cells, pairs: np.ndarray) -> float:
    codes = [tokens.codes[s : s + n].tolist() for s, n in zip(tokens.starts, tokens.lengths, strict=True)]
    errors: dict[tuple[int, int], list[float]] = {}
    for a_cell in pairs[:, 0].tolist():
        own = found.members[found.edges[a_cell] : found.edges[a_cell + 1]].tolist()
        near = {(x, a): _warped(codes[x], codes[a]) for x, a in product(own, own)}
        for b_cell in range(found.firsts[a_cell], found.lasts[a_cell]):
            if b_cell == a_cell:
                continue
            others = found.members[found.edges[b_cell] : found.edges[b_cell + 1]].tolist()
            far = {(x, b): _warped(codes[x], codes[b]) for x, b in product(own, others)}
            wrong = [
                0.5 if far[x, b] == near[x, a] else float(far[x, b] < near[x, a])
                for x, a, b in product(own, own, others)
                if x != a
            ]
            key = int(found.sounds[a_cell]), int(found.sounds[b_cell])
            errors.setdefault(key, []).append(sum(wrong) / len(wrong))
    return float(np.mean([np.mean(some) for some in errors.values()]))


def _warped(x: list[int], y: list[int]) -> float:
    """Mean distance along the best path, as a double loop over a table of (sum, length)."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for i, j in product(range(len(x)), range(len(y))):
        before = [best[p] for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if p in best]
        cost, length = min(before) if before else (0.0, 0)
        best[i, j] = cost + float(x[i] != y[j]), length + 1
    cost, length = best[len(x) - 1, len(y) - 1]
    return cost / length
