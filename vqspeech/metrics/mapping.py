"""Units of several models beside each other: each code stands for a phone, told by some utterances, scored on others.

Where the others are of speakers whom neither the models nor the maps have heard, the figure says what the codes are
worth on new speech (1711.00937, section 4.3, fits the map to what it is scored on).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vqspeech.errors import UnitsError
from vqspeech.metrics import phone
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.bootstrap import Estimate, statistic

WITH, WITHOUT, PAPER = "with silence", "speech only", "speech only, the paper's way"
LIKELIEST = "most likely phone"


@dataclass(frozen=True)
class Parts:
    """The utterances of one model's units, of `size` different codes, that its map is fitted to, and those it is
    scored on."""

    fitted: Sequence[Aligned]
    scored: Sequence[Aligned]
    size: int


def rows(models: Mapping[str, Parts], baseline: str) -> list[dict]:
    """A row a model, and one for the most likely phone: accuracy of the map with silence and on speech, accuracy on
    speech of a map fitted to what it is scored on, and how far the model is above `baseline` on speech.

    Raises `UnitsError` where the models were not scored on the same utterances, or fitted and scored on a common one.
    """
    for name, parts in models.items():
        _checked(name, parts, models[baseline])
    first = models[baseline]
    alone = Parts([_single(one) for one in first.fitted], [_single(one) for one in first.scored], 1)
    return [
        {"row": name, **_accuracies(parts), f"above {baseline}": None if name == baseline else _above(parts, first)}
        for name, parts in {LIKELIEST: alone, **models}.items()
    ]


def guesses(parts: Parts, speech: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The phones of the scored utterances, and the phone that each of their codes was likeliest to be in the fitted
    ones; `speech`: silence and noise count in neither."""
    (fitted, scored) = ([one.phones for one in part] for part in (parts.fitted, parts.scored))
    if speech:
        fitted, scored = phone.speech_only(fitted), phone.speech_only(scored)
    likeliest = phone.phone_map([one.codes for one in parts.fitted], fitted, parts.size)
    return scored, [likeliest[one.codes] for one in parts.scored]


def _accuracies(parts: Parts) -> dict[str, Estimate]:
    codes, phones = [one.codes for one in parts.scored], [one.phones for one in parts.scored]
    return {
        WITH: phone.accuracy(*guesses(parts, speech=False)),
        WITHOUT: phone.accuracy(*guesses(parts, speech=True)),
        PAPER: phone.mapping_accuracy(codes, phone.speech_only(phones), parts.size),
    }


def _above(parts: Parts, baseline: Parts) -> Estimate:
    """Difference of the accuracies on speech; both are redrawn together."""
    hits, frames = _hits(parts)
    others, of = _hits(baseline)
    return statistic(lambda w: float((w @ hits) / (w @ frames) - (w @ others) / (w @ of)), len(hits), 1000)


def _hits(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    phones, guessed = guesses(parts, speech=True)
    hits = [float(((p == g) & (p >= 0)).sum()) for p, g in zip(phones, guessed, strict=True)]
    return np.array(hits), np.array([float((p >= 0).sum()) for p in phones])


def _single(one: Aligned) -> Aligned:
    return Aligned(one.name, one.speaker, one.rate, np.zeros_like(one.codes), one.phones, one.segments)


def _checked(name: str, parts: Parts, baseline: Parts) -> None:
    scored = [one.name for one in parts.scored]
    if scored != [one.name for one in baseline.scored]:
        raise UnitsError(
            f"{name}: its units are of {len(scored)} utterances with phones, not the {len(baseline.scored)} of the "
            "baseline; encode the same data with both"
        )
    common = {one.name for one in parts.fitted} & set(scored)
    if common:
        raise UnitsError(
            f"{name}: {len(common)} utterances are both fitted to and scored on, such as {min(common)}; use other data"
        )
