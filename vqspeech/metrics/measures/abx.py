"""ABX: are two recordings of the same sounds nearer to each other than to a recording of others?

Schatz et al., "Evaluating speech features with the Minimal-Pair ABX task", Interspeech 2013, as the ZeroSpeech
challenges do it: A and X are two tokens of one sound, B is one of another sound; of a triple, the error is 1 where
d(B, X) < d(A, X), 1/2 where they are equal, else 0. d is dynamic time warping over the codes, or over continuous
features. Within speakers all three are of one speaker, across speakers X is of another one than A and B.

- `triphones`: a token is three phones, and B differs from A in the middle one only.
- `phones in any context`: a token is one phone; its neighbours do not matter.

Errors are averaged over the triples of a cell (sounds, context, speakers); the cells over contexts and speakers of X,
then over speakers of A, then over ordered pairs of sounds, every one counting alike. 0 is perfect, 1/2 is chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from vqspeech import audio, loudness
from vqspeech.data.alignment import MAX_GAP
from vqspeech.data.datadir import Utterance
from vqspeech.data.phones import INDEX, NOISE, PHONES, SILENCE
from vqspeech.data.units import Units
from vqspeech.errors import UnitsError
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures.bootstrap import Estimate, jackknife
from vqspeech.metrics.measures.warping import Cells, Directions, Distances, Tokens, add_cell_errors
from vqspeech.progress import Work

GROUPS = 20
"""Parts of the utterances that are left out in turn, for the interval."""
TOKENS = 10
"""Tokens of a sound in one context by one speaker, at most; of more, as many are drawn (ZeroSpeech does the same)."""
OTHERS = 5
"""Speakers of X for each A, at most; of more, as many are drawn (ZeroSpeech does the same)."""
_BATCH = 256
Compared = tuple[dict[str, np.ndarray], Distances]
"""What is compared of each utterance, codes or numbers of frames, int64 `(frames,)`, and their distances."""


class Span(NamedTuple):
    """A token in time.

    Attributes:
        utterance: Index of the utterance.
        start: Where it begins (s).
        end: Where it ends (s).
        phone: Index of its phone, of a triphone that of the middle one.
        before: Index of the phone that touches it before; None where there is none.
        after: Index of the phone that touches it after.
    """

    utterance: int
    start: float
    end: float
    phone: int
    before: int | None
    after: int | None


def list_triphones(utterances: Sequence[Aligned]) -> Iterator[Span]:
    """Yield every phone of speech between two others that touch it, with these."""
    for index, one in enumerate(utterances):
        starts, ends, phones = one.segments
        follows = starts[1:] - ends[:-1] <= MAX_GAP
        speech = _speech(phones)
        for i in np.flatnonzero(follows[:-1] & follows[1:] & speech[:-2] & speech[1:-1] & speech[2:]).tolist():
            before, phone, after = map(int, phones[i : i + 3])
            yield Span(index, float(starts[i]), float(ends[i + 2]), phone, before, after)


def list_phones(utterances: Sequence[Aligned]) -> Iterator[Span]:
    """Yield every phone of speech."""
    for index, one in enumerate(utterances):
        starts, ends, phones = one.segments
        follows = [False, *(starts[1:] - ends[:-1] <= MAX_GAP).tolist(), False]
        for i in np.flatnonzero(_speech(phones)).tolist():
            before = int(phones[i - 1]) if follows[i] else None
            after = int(phones[i + 1]) if follows[i + 1] else None
            yield Span(index, float(starts[i]), float(ends[i]), int(phones[i]), before, after)


def find_triphones(utterances: Sequence[Aligned]) -> Tokens:
    """Return every phone of speech between two others that touch it, with these."""
    return _tokens(
        utterances,
        [
            (one.utterance, one.start, one.end, one.phone, (one.before or 0) * len(PHONES) + (one.after or 0))
            for one in list_triphones(utterances)
        ],
    )


def find_phones(utterances: Sequence[Aligned]) -> Tokens:
    """Return every phone of speech."""
    return _tokens(utterances, [(one.utterance, one.start, one.end, one.phone, 0) for one in list_phones(utterances)])


def group_tokens(tokens: Tokens, most: int = TOKENS, seed: int = 0) -> Cells:
    """Group tokens into cells, in order of context, speaker and sound, of `most` random tokens each at most."""
    drawn = np.random.default_rng(seed).permutation(len(tokens.sounds))
    keys = np.stack([tokens.contexts, tokens.speakers, tokens.sounds])[:, drawn]
    order = np.lexsort(keys[::-1])  # stable: within a cell in the order drawn
    members, keys = drawn[order], keys[:, order]
    new = np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(members)]
    cell = np.cumsum(new) - 1
    kept = np.arange(len(members)) - np.flatnonzero(new)[cell] < most
    contexts, speakers, sounds = keys[:, new]
    edges = np.concatenate([[0], np.cumsum(np.bincount(cell[kept], minlength=len(sounds)))])
    block = np.append(True, (np.diff(keys[:2, new]) != 0).any(axis=0))[: len(sounds)]
    opens = np.append(np.flatnonzero(block), len(sounds))
    number = np.cumsum(block) - 1
    return Cells(members[kept], edges, sounds, contexts, speakers, opens[number], opens[number + 1])


def list_comparisons(found: Cells, across: bool, others: int = OTHERS, seed: int = 0) -> np.ndarray:
    """Return the cells of A and X of every comparison, int64 `(tasks, 2)`, in order of sound.

    B are all other sounds with the context and speaker of A. Within speakers both are the same cell, of two tokens or
    more; `across`, X is by up to `others` other speakers, drawn at random.
    """
    rivals = found.lasts - found.firsts > 1
    if not across:
        cell = np.flatnonzero(rivals & (np.diff(found.edges) > 1))
        pairs = np.stack([cell, cell], axis=1)
    else:
        random = np.random.default_rng(seed)
        alike: dict[tuple[int, int], list[int]] = {}
        for cell, key in enumerate(zip(found.contexts.tolist(), found.sounds.tolist(), strict=True)):
            alike.setdefault(key, []).append(cell)
        rows: list[tuple[int, int]] = []
        for some in alike.values():
            for a in some:
                if rivals[a]:
                    xs = [x for x in some if x != a]  # one cell a speaker
                    chosen = xs if len(xs) <= others else random.choice(xs, others, replace=False).tolist()
                    rows += [(a, int(x)) for x in chosen]
        pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return pairs[np.argsort(found.sounds[pairs[:, 0]], kind="stable")]


def compare_codes(units: Units) -> Compared:
    """Return units as they are, whose codes are equal or not.

    Raises:
        UnitsError: Codes of several stages are too many for a table of their distances.
    """
    if len(units.stages) > 1:
        raise UnitsError(f"codes of {len(units.stages)} stages are compared by their vectors; name the model for ABX")
    return units.codes, identity_distances(units.size)


def compare_vectors(units: Units, path: str) -> Compared:
    """Return units whose codes are compared by the angles of the vectors of the model at `path`.

    Of codes of several stages the sums of vectors are compared.

    Raises:
        UnitsError: The units are of another model.
    """
    import torch

    from vqspeech.models.coder import Coder

    model = Coder.from_pretrained(path)
    if model.fingerprint() != units.sha256:
        raise UnitsError(
            f"the units are of {units.model} ({units.sha256[:12]}), not of {path} ({model.fingerprint()[:12]}); name "
            "that model, or encode again"
        )

    def vectors(codes: np.ndarray) -> np.ndarray:
        return model.quantizer.lookup(torch.from_numpy(codes)[None])[0].T.detach().numpy()

    if len(units.stages) > 1:
        return number_frames({name: vectors(codes) for name, codes in units.codes.items()})
    return units.codes, angular_distances(vectors(np.arange(units.size)))


def compute_mfcc(utterance: Utterance) -> np.ndarray:
    """Return 13 MFCC and their differences of a recording, as models see them: float32 `(frames, 39)`, at 100 Hz.

    They are normalised over its speech.

    Raises:
        AudioError: The recording cannot be read.
    """
    import torch

    from vqspeech.models.frontend import Mfcc

    frontend = Mfcc()
    wave = audio.read_waveform(utterance.path, utterance.start, utterance.end)
    samples = torch.from_numpy(loudness.normalise(wave).samples.copy())
    samples = torch.nn.functional.pad(samples, (0, -len(samples) % frontend.hop))
    inside = torch.ones(1, len(samples), dtype=torch.bool)
    return frontend(samples[None], inside, frontend.statistics(samples)[None])[0].T.numpy()


def identity_distances(size: int) -> np.ndarray:
    """Return distances of `size` codes that are equal or not: float32 `(size, size)`, 0 and 1."""
    return 1 - np.eye(size, dtype=np.float32)


def angular_distances(vectors: np.ndarray) -> np.ndarray:
    """Return angles between code vectors `(size, dimension)`, as parts of π: float32 `(size, size)`."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors.astype(float) / np.where(lengths > 0, lengths, 1)
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1)) / np.pi
    np.fill_diagonal(angle, 0)
    return ((angle + angle.T) / 2).astype(np.float32)


def number_frames(features: Mapping[str, np.ndarray]) -> Compared:
    """Return continuous features as codes: the numbers of their frames, and the directions of all of them.

    A vector of zeros is at a right angle to the others.

    Args:
        features: By utterance, `(frames, dimension)`.

    Returns:
        The numbers by utterance, int64 `(frames,)`, and the directions.
    """
    codes, count, parts = {}, 0, []
    for name, one in features.items():
        codes[name] = np.arange(count, count + len(one))
        count += len(one)
        lengths = np.linalg.norm(one, axis=1, keepdims=True)
        unit = np.divide(one, lengths, out=np.zeros(one.shape, np.float32), where=lengths > 0)
        parts.append(np.concatenate([unit, lengths == 0], axis=1, dtype=np.float32))
    return codes, Directions(np.concatenate(parts))


def estimate_error(
    tokens: Tokens,
    distances: Distances,
    across: bool,
    seed: int = 0,
    nj: int = 1,
    what: str = "ABX",
    most: int = TOKENS,
    others: int = OTHERS,
    by_speaker: bool = False,
) -> Estimate:
    """Return the ABX error of tokens.

    Memory is that of the tokens and of one table of pairs of sounds by speaker.

    Args:
        tokens: The tokens.
        distances: Of codes, float32 `(size, size)`, or the directions of `number_frames`.
        across: Whether X is of another speaker than A and B.
        seed: Of the draws of tokens, speakers and parts.
        nj: Threads.
        what: What it is called in reports of progress.
        most: As in `group_tokens`.
        others: As in `list_comparisons`.
        by_speaker: Whether the jackknife leaves out speakers, and not `GROUPS` parts of the utterances.

    Returns:
        The error, not a number where there is no triple; `n` counts utterances. The interval is that of a jackknife:
        redrawn tokens would leave most small cells without a triple.
    """
    found = group_tokens(tokens, most, seed)
    pairs = list_comparisons(found, across, others, seed)
    present, place = np.unique(tokens.utterances, return_inverse=True)
    if by_speaker:
        names, group = np.unique(tokens.speakers, return_inverse=True)
        groups = len(names)
    else:
        groups = min(GROUPS, len(present))
        group = np.random.default_rng(seed).permutation(len(present))[place] % max(groups, 1)
    speakers = int(tokens.speakers.max()) + 1 if len(present) else 0
    cuts = np.flatnonzero(np.diff(found.sounds[pairs[:, 0]])) + 1
    totals = np.full((groups + 1, len(PHONES), len(PHONES)), np.nan)
    with Work(what, len(pairs)) as work, ThreadPoolExecutor(nj) as pool:

        def of_sound(some: np.ndarray) -> None:
            """Compute the error of A and X of one sound against each other one, with each part left out (and none)."""
            sums, counts = np.zeros((2, groups + 1, len(PHONES), speakers))
            for start in range(0, len(some), _BATCH):
                part = some[start : start + _BATCH]
                add_cell_errors(tokens, found, part, distances, group, groups, sums, counts)
                work.update(len(part))
            by_speaker = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
            totals[:, found.sounds[some[0, 0]]] = _mean(by_speaker)

        list(pool.map(of_sound, [some for some in np.split(pairs, cuts) if len(some)]))
    means = _mean(totals.reshape(groups + 1, -1)) if groups else np.full(1, np.nan)
    return jackknife(float(means[0]), means[1:], len(present))


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is a number."""
    known = np.isfinite(values)
    n = known.sum(axis=-1)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=-1) / np.maximum(n, 1), np.nan)


def _speech(phones: np.ndarray) -> np.ndarray:
    return (phones != INDEX[SILENCE]) & (phones != INDEX[NOISE])


def _tokens(utterances: Sequence[Aligned], spans: list[tuple[int, float, float, int, int]]) -> Tokens:
    """Return the codes whose middles lie in each span, or else the one in its middle; none after the last code."""
    names = sorted({one.speaker for one in utterances})
    speaker = np.array([names.index(one.speaker) for one in utterances], dtype=np.int64)
    rate = np.array([one.rate for one in utterances])
    lengths = np.array([len(one.codes) for one in utterances], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    index, sound, context = (np.array([span[i] for span in spans], dtype=np.int64) for i in (0, 3, 4))
    start, end = (np.array([span[i] for span in spans], dtype=float) for i in (1, 2))
    first = np.ceil(np.round(start * rate[index] - 0.5, 6)).astype(np.int64)
    last = np.ceil(np.round(end * rate[index] - 0.5, 6)).astype(np.int64)
    middle = ((start + end) / 2 * rate[index]).astype(np.int64)
    first, last = np.where(first < last, first, middle), np.where(first < last, last, middle + 1)
    last = np.minimum(last, lengths[index])
    kept = first < last
    codes = np.concatenate([np.zeros(0, np.int32), *(one.codes.astype(np.int32) for one in utterances)])
    index, first, last = index[kept], first[kept], last[kept]
    return Tokens(codes, offsets[index] + first, last - first, sound[kept], context[kept], speaker[index], index)
