"""How much of the speaker the codes tell: what a plain classifier makes of them.

A code that is a phoneme is the same for everybody; one that carries the voice lets the speaker be told from a few
seconds of codes. The classifier is a logistic regression (scikit-learn, L2, C = 1) on standardised features of pieces
of speech, fitted to one half of each speaker's utterances and scored on the other, and the other way round.
"""

from collections.abc import Sequence

import numpy as np

from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.metrics.measures.bootstrap import Estimate, estimate_ratio

SECONDS = 3.0
"""Length of a piece: an utterance is cut into equal pieces of at least this length, a shorter one is one piece."""


def split_pieces(utterance: np.ndarray, rate: float) -> list[np.ndarray]:
    """Cut the codes or frames of one utterance, `(frames, ...)`, `rate` of them a second, into its pieces."""
    return np.array_split(utterance, max(1, int(len(utterance) / rate / SECONDS)))


def code_shares(codes: np.ndarray, rate: float, size: int, stages: Sequence[int] = ()) -> np.ndarray:
    """Return √ of the share of each code in each piece of an utterance: float64 `(pieces, size)`.

    Of codes of several `stages`, of those sizes, that of each code of each stage.
    """
    if len(stages) > 1:
        parts = zip(np.unravel_index(codes, tuple(stages)), stages, strict=True)
        return np.concatenate([code_shares(part, rate, one) for part, one in parts], axis=1)
    return np.stack([np.sqrt(np.bincount(piece, minlength=size) / len(piece)) for piece in split_pieces(codes, rate)])


def compute_cepstra(utterance: Utterance) -> np.ndarray:
    """Return mean and deviation of 13 MFCC in each piece of a recording: float64 `(pieces, 26)`.

    The MFCC are those that models see, before their normalisation: what a representation that keeps the voice tells.

    Raises:
        AudioError: The recording cannot be read.
    """
    import torch

    from vqspeech.models.frontend import Mfcc

    frontend = Mfcc()
    wave = audio.read_waveform(utterance.path, utterance.start, utterance.end)
    features = []
    for piece in split_pieces(audio.encode_mulaw(wave), audio.RATE):
        filled = np.pad(piece, (0, -len(piece) % frontend.hop), constant_values=audio.MIDPOINT)
        features.append(frontend.statistics(torch.from_numpy(filled)).double().flatten().numpy())
    return np.stack(features)


def has_speaker_pair(speakers: Sequence[str]) -> np.ndarray:
    """Return which utterances have a speaker of whom there are two or more, bool `(utterances,)`.

    None, where there are not two such speakers.
    """
    _, place, counts = np.unique(np.asarray(speakers, dtype=str), return_inverse=True, return_counts=True)
    enough = counts > 1
    return enough[place] if enough.sum() > 1 else np.zeros(len(place), dtype=bool)


def split_halves(speakers: Sequence[str], seed: int = 0) -> np.ndarray:
    """Return the half, 0 or 1, that each utterance is in: int64 `(utterances,)`.

    Those of each speaker are dealt out at random.
    """
    names, place = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    half, random = np.zeros(len(place), dtype=np.int64), np.random.default_rng(seed)
    for speaker in range(len(names)):
        own = random.permutation(np.flatnonzero(place == speaker))
        half[own] = (np.arange(len(own)) + speaker) % 2
    return half


def accuracy(
    features: Sequence[np.ndarray], speakers: Sequence[str], seed: int = 0, by_speaker: bool = False
) -> Estimate:
    """Return the share of pieces whose speaker the classifier tells, from the features of each utterance.

    Args:
        features: `(pieces, features)` of each utterance.
        speakers: Of each utterance; each must have two utterances or more.
        seed: Of the halves.
        by_speaker: Whether the interval redraws speakers, and not utterances, under the same two classifiers.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    half, names = split_halves(speakers, seed), np.asarray(speakers, dtype=str)
    right = np.zeros(len(names))
    counts = np.array([len(one) for one in features])
    for side in (0, 1):
        fit, score = np.flatnonzero(half != side).tolist(), np.flatnonzero(half == side).tolist()
        known = np.concatenate([features[i] for i in fit])
        scaler = StandardScaler().fit(known)
        classifier = LogisticRegression(max_iter=300).fit(scaler.transform(known), np.repeat(names[fit], counts[fit]))
        guesses = classifier.predict(scaler.transform(np.concatenate([features[i] for i in score])))
        hits = guesses == np.repeat(names[score], counts[score])
        right[score] = np.bincount(np.repeat(np.arange(len(score)), counts[score]), hits, minlength=len(score))
    return estimate_ratio(right, counts, speakers if by_speaker else None)


def chance(features: Sequence[np.ndarray], speakers: Sequence[str], by_speaker: bool = False) -> Estimate:
    """Return the share of the pieces of the speaker who has most: what can be told without listening."""
    counts = np.array([len(one) for one in features], dtype=float)
    names, place = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    most = int(np.bincount(place, counts, minlength=len(names)).argmax())
    return estimate_ratio(counts * (place == most), counts, speakers if by_speaker else None)
