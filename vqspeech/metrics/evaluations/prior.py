"""How well a prior knows codes: bits a code of held-out speech, beside what is known without one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vqspeech.data.units import Units
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio
from vqspeech.metrics.measures.kneser_ney import ORDERS, KneserNey, SpeakerKneserNey, choose_order
from vqspeech.models.prior import LatentPrior

PRIOR, NGRAM, SPEAKER = "prior", "n-gram", "{}, conditioned on the speaker"
"""Rows of the table, and what either is called with the speaker."""
HELD_OUT = 10
"""One in this many utterances chooses the order of the n-grams, where no others are given."""

Bits = Sequence[np.ndarray]
"""-log2 p of every code of every utterance."""


class Ngrams(NamedTuple):
    """What a prior must beat: single codes, n-grams, n-grams conditioned on the speaker, and how they were chosen."""

    unigram: KneserNey
    best: KneserNey
    speakers: SpeakerKneserNey | None
    notes: Sequence[str]


def fit_ngrams(
    train: Units, voices: Mapping[str, str], dev: Units | None = None, dev_voices: Mapping[str, str] | None = None
) -> Ngrams:
    """Fit n-grams to units, their order chosen on other ones.

    Args:
        train: Units that the prior has learned from.
        voices: Speakers by utterance of those.
        dev: Units on which order and weights are chosen; without any, a part of `train` that is then left out of
            the fit.
        dev_voices: Speakers by utterance of `dev`.
    """
    fit, held, where = (train, dev, "held-out ones") if dev else (*_split(train), "a tenth of them")
    held_voices = dev_voices or {} if dev else voices
    order = choose_order(list(fit.codes.values()), list(held.codes.values()), train.size)
    best = KneserNey.of(train, order)
    notes = [f"n-gram: Kneser–Ney of order {order}, the best of {ORDERS[0]} to {ORDERS[-1]} on {where}"]
    speakers = None
    if voices:
        tuned = _by_speaker(KneserNey.of(fit, order), fit, voices)
        tuned.tune(list(held.codes.values()), [held_voices.get(name) for name in held.codes])
        speakers = _by_speaker(best, train, voices)
        speakers.set(tuned.order, tuned.weight)
        notes.append(
            f"{SPEAKER.format(NGRAM)}: {tuned.weight:g} of it is an n-gram of order {tuned.order} of the speaker's own "
            "utterances, both chosen likewise"
        )
    return Ngrams(KneserNey.of(train, 1), best, speakers, notes)


def _by_speaker(everyone: KneserNey, units: Units, voices: Mapping[str, str]) -> SpeakerKneserNey:
    return SpeakerKneserNey(everyone, list(units.codes.values()), [voices.get(name) for name in units.codes])


def _split(units: Units) -> tuple[Units, Units]:
    """Return units without every `HELD_OUT`th utterance, and these; all of them twice, where there are fewer."""
    names = list(units.codes)
    held = set(names[HELD_OUT - 1 :: HELD_OUT])
    if not held:
        return units, units
    parts = ({name: units.codes[name] for name in names if (name in held) == part} for part in (False, True))
    return replace(units, codes=next(parts)), replace(units, codes=next(parts))


def measure_bits(
    prior: LatentPrior, units: Units, voices: Mapping[str, str], ngrams: Ngrams | None = None
) -> dict[str, Bits]:
    """Return the bits of the codes of `units` by model: uniform, `ngrams`, prior.

    N-grams and prior are also given conditioned on the speaker, as far as `voices` (speaker by utterance) and the prior
    know the speaker.
    """
    codes = list(units.codes.values())
    told = [voices.get(name) if voices.get(name) in prior.speakers else None for name in units.codes]
    found: dict[str, Bits] = {"uniform": [np.full(len(one), np.log2(units.size)) for one in codes]}
    if ngrams is not None:
        found["unigram"] = [ngrams.unigram.bits(one) for one in codes]
        found[NGRAM] = [ngrams.best.bits(one) for one in codes]
        if any(told) and ngrams.speakers is not None:
            found[SPEAKER.format(NGRAM)] = [ngrams.speakers.bits(*one) for one in zip(codes, told, strict=True)]
    found[PRIOR] = prior.bits(codes, [None] * len(codes))
    if any(told):
        found[SPEAKER.format(PRIOR)] = prior.bits(codes, told)
    return found


def select_prior_bits(held: Mapping[str, Bits]) -> Bits:
    """Return the bits of the prior, conditioned on the speaker where it can be."""
    return held.get(SPEAKER.format(PRIOR), held[PRIOR])


def make_rows(
    held: Mapping[str, Bits], learned: Mapping[str, Bits], rate: float, groups: Sequence[Group] | None = None
) -> list[dict]:
    """Return the table.

    Bits a code, and a second at `rate` codes a second, with the interval that redrawing `groups` of utterances gives;
    bits of utterances that were `learned` from, and the gap between, what is known by heart; last, what the prior saves
    beside the n-gram, utterance by utterance, both conditioned on the speaker, and neither.
    """
    table = []
    for name, bits in held.items():
        estimate = _mean(bits, groups)
        row = {"row": name, "bits/code, held out": estimate, "bits/s, held out": _scaled(estimate, rate)}
        if name in learned:
            known = _mean(learned[name])
            row |= {"bits/code, learned from": known.value, "gap": estimate.value - known.value}
        table.append(row)
    for name in ("{}", SPEAKER):
        prior, ngram = name.format(PRIOR), name.format(NGRAM)
        if prior in held and ngram in held:
            saved = _mean([b - a for a, b in zip(held[prior], held[ngram], strict=True)], groups)
            row = f"saved by the {PRIOR} beside the {name.format(NGRAM)}"
            table.append({"row": row, "bits/code, held out": saved, "bits/s, held out": _scaled(saved, rate)})
    return table


def spread_utterances(units: Units, utterances: int) -> Units:
    """Return at most so many utterances of a units file, evenly spaced."""
    names = list(units.codes)
    count = min(utterances, len(names))
    return replace(
        units, codes={name: units.codes[name] for name in (names[i * len(names) // count] for i in range(count))}
    )


def _mean(bits: Bits, groups: Sequence[Group] | None = None) -> Estimate:
    return estimate_ratio([one.sum() for one in bits], [len(one) for one in bits], groups)


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
