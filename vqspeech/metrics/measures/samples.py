"""How much speech drawn from nothing is like speech: words, repetitions, and statistics of codes and phones.

Intervals redraw clips, or the `groups` of clips that are given, as in `bootstrap.ratio`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vqspeech import extras
from vqspeech.data.text import normalise_text
from vqspeech.data.units import find_runs
from vqspeech.metrics.judges import Recogniser
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio, estimate_statistic

REPEATED = 4
"""Length of the sequences whose repetition is counted."""
Groups = Sequence[Group] | None


def read_dictionary() -> frozenset[str]:
    """Return the words of CMUdict, normalised as texts are.

    Raises:
        MissingExtra: pocketsphinx, which brings it, is not installed.
    """
    path = extras.import_extra("pocketsphinx", "align").get_model_path("en-us/cmudict-en-us.dict")
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    # Further pronunciations of a word are "word(2)".
    return frozenset(normalise_text(line.split(maxsplit=1)[0].split("(")[0]) for line in lines if line[:1].isalpha())


def word_rate(heard: Sequence[Sequence[str]], seconds: Sequence[float], groups: Groups = None) -> Estimate:
    """Return words per second that a recogniser has `heard` in clips of so many `seconds`."""
    return estimate_ratio([len(words) for words in heard], seconds, groups)


def known_word_share(heard: Sequence[Sequence[str]], words: frozenset[str], groups: Groups = None) -> Estimate:
    """Return the share of the words heard in each clip that are in a dictionary; not a number, where none was heard."""
    return estimate_ratio(
        [sum(word in words for word in clip) for clip in heard], [len(clip) for clip in heard], groups
    )


def find_sure_words(wave: np.ndarray, words: Sequence[str], recogniser: Recogniser) -> frozenset[str]:
    """Return the different `words` heard in a waveform `(samples,)` that are heard again a little slower and faster.

    A recogniser makes words of any noise, but not twice the same.
    """
    import soxr

    sure = set(words)
    for ours, theirs in ((16, 17), (17, 16)):
        sure &= set(normalise_text(recogniser.transcribe(soxr.resample(wave, ours, theirs))).split())
    return frozenset(sure)


def sure_word_rate(
    sure: Sequence[frozenset[str]], seconds: Sequence[float], words: frozenset[str] | None, groups: Groups = None
) -> Estimate:
    """Return words per second that are heard for sure in clips of so many `seconds`, those of a dictionary where given.

    Each counts once per clip, so that a word said over and over makes no speech.
    """
    return estimate_ratio([len(clip if words is None else clip & words) for clip in sure], seconds, groups)


def repetition(codes: Sequence[np.ndarray], groups: Groups = None) -> Estimate:
    """Return 1 - |different sequences of `REPEATED` codes| / |all of them|, runs of one code taken as one.

    0 where nothing comes twice within an utterance (rep-4 of Welleck et al. 2020, arXiv 1908.04319).
    """
    repeated, all_of_them = [], []
    for one in codes:
        ran = one[find_runs(one)]
        grams = np.lib.stride_tricks.sliding_window_view(ran, REPEATED) if len(ran) >= REPEATED else ran[:0, None]
        repeated.append(len(grams) - len(np.unique(grams, axis=0)))
        all_of_them.append(len(grams))
    return estimate_ratio(repeated, all_of_them, groups)


def perplexity(bits: Sequence[np.ndarray], groups: Groups = None) -> Estimate:
    """Return 2 to the mean bits per code, of -log2 p of the codes of each utterance under a model."""
    mean = estimate_ratio([one.sum() for one in bits], [len(one) for one in bits], groups)
    return Estimate(2**mean.value, 2**mean.low, 2**mean.high, mean.n)


def divergence(sequences: Sequence[np.ndarray], reference: Sequence[np.ndarray], groups: Groups = None) -> Estimate:
    """Return the Jensen–Shannon divergence of the pairs of neighbours in `sequences` from those in `reference`.

    In bits; 0: the same, 1: nothing in common (Lin 1991). Sequences are int `(length,)`, runs of one symbol taken as
    one. Few pairs never look like many: compare rows of the same number of them.
    """
    theirs = np.concatenate([_pairs(one) for one in reference])
    ours = [_pairs(one) for one in sequences]
    cells, q = np.unique(theirs, return_counts=True)
    seen, place = np.unique(np.concatenate(ours), return_inverse=True)
    if not len(seen) or not len(cells):
        return Estimate(float("nan"), float("nan"), float("nan"), len(ours))
    utterances = np.repeat(np.arange(len(ours)), [len(one) for one in ours])
    at = np.minimum(np.searchsorted(cells, seen), len(cells) - 1)
    shares = np.where(cells[at] == seen, q[at], 0) / q.sum()  # of the pairs seen; all others have p = 0

    def value(weights: np.ndarray) -> float:
        counts = np.bincount(place, weights[utterances], len(seen))
        p = counts / max(counts.sum(), 1.0)
        middle = (p + shares) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            forth = np.where(p > 0, p * np.log2(p / middle), 0.0).sum()
            back = np.where(shares > 0, shares * np.log2(shares / middle), 0.0).sum()
        return float(forth + back + (1 - shares.sum())) / 2  # where p = 0, q log2(q / (q / 2)) is q

    return estimate_statistic(value, len(ours), groups=groups)


def cut_codes(codes: Sequence[np.ndarray], total: int) -> list[np.ndarray]:
    """Return the first `total` codes of utterances one after the other."""
    kept, left = [], total
    for one in codes:
        if left <= 0:
            break
        kept.append(one[:left])
        left -= len(one)
    return kept


def _pairs(sequence: np.ndarray) -> np.ndarray:
    """Return a number for each pair of neighbours, runs taken as one."""
    ran = sequence[find_runs(sequence)].astype(np.int64)
    return (ran[:-1] << 32) | ran[1:]
