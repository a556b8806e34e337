"""How well a prior knows codes: bits a code of held-out speech, beside what is known without one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vqspeech.data.units import Units
from vqspeech.metrics.bootstrap import Estimate, ratio
from vqspeech.metrics.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior

PRIOR, TRIGRAM = "prior", "trigram (Kneser–Ney)"
"""Rows of the table."""

Bits = Sequence[np.ndarray]
"""-log2 p of every code of every utterance."""


def held_out_bits(
    prior: LatentPrior, units: Units, voices: Mapping[str, str], train: Units | None = None
) -> dict[str, Bits]:
    """Bits of the codes of `units` by model: uniform, then unigram and trigram where there is `train` to fit them to,
    then the prior, told the speaker as far as `voices`, speaker by utterance, and the prior itself know."""
    codes = list(units.codes.values())
    found: dict[str, Bits] = {"uniform": [np.full(len(one), np.log2(units.size)) for one in codes]}
    if train is not None:
        for name, order in (("unigram", 1), (TRIGRAM, 3)):
            model = KneserNey.of(train, order)
            found[name] = [model.bits(one) for one in codes]
    told = [voices.get(name) if voices.get(name) in prior.speakers else None for name in units.codes]
    found[PRIOR] = prior.bits(codes, told)
    if any(told):
        found[f"{PRIOR}, speaker not told"] = prior.bits(codes, [None] * len(codes))
    return found


def rows(held: Mapping[str, Bits], learned: Mapping[str, Bits], rate: float) -> list[dict]:
    """The table: bits a code with interval over utterances, bits a second at `rate` codes a second, bits of utterances
    that were `learned` from, and the gap between, what is known by heart; last, what the prior spares beside the
    trigram, utterance by utterance."""
    table = []
    for name, bits in held.items():
        estimate = _mean(bits)
        row = {"row": name, "bits/code, held out": estimate, "bits/s, held out": _scaled(estimate, rate)}
        if name in learned:
            known = _mean(learned[name])
            row |= {"bits/code, learned from": known, "gap": estimate.value - known.value}
        table.append(row)
    if TRIGRAM in held:
        differences = [b - a for a, b in zip(held[PRIOR], held[TRIGRAM], strict=True)]
        spared = _mean(differences)
        name = "spared by the prior beside the trigram"
        table.append({"row": name, "bits/code, held out": spared, "bits/s, held out": _scaled(spared, rate)})
    return table


def spread(units: Units, utterances: int) -> Units:
    """At most so many utterances of a units file, spread evenly over it."""
    names = list(units.codes)
    count = min(utterances, len(names))
    return replace(
        units, codes={name: units.codes[name] for name in (names[i * len(names) // count] for i in range(count))}
    )


def _mean(bits: Bits) -> Estimate:
    return ratio([one.sum() for one in bits], [len(one) for one in bits])


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
