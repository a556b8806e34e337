"""Units of several models beside each other: each code stands for a phone, told by some utterances, scored on others.

Where the others are of speakers whom neither the models nor the maps have heard, the figure says what the codes are
worth on new speech (1711.00937, section 4.3, fits the map to what it is scored on). Intervals redraw those speakers,
as others would be met by the next user; where they are fewer than `bootstrap.FEWEST_SPEAKERS`, utterances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vqspeech.errors import UnitsError
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures import abx, codebook, leak, phone
from vqspeech.metrics.measures.bootstrap import Estimate, estimate_statistic, has_enough_speakers

WITH, WITHOUT = "with silence", "speech only"
PAPER, PAPER_WITH = "speech only, the paper's way", "with silence, the paper's way"
PNMI, PNMI_WITH = "PNMI", "PNMI, with silence"
BITS, ENTROPY, SPEAKER = "bit rate (bit/s)", "bit rate at the codes' entropy (bit/s)", "speaker told"
LIKELIEST = "most likely phone"


@dataclass(frozen=True)
class Parts:
    """The utterances of one model's units.

    Attributes:
        fitted: Those that its map is fitted to.
        scored: Those that it is scored on.
        size: Number of different codes.
        stages: Sizes of codes of several stages, of which each code is the number: (4, 8) makes 32.
    """

    fitted: Sequence[Aligned]
    scored: Sequence[Aligned]
    size: int
    stages: Sequence[int] = ()

    @property
    def speakers(self) -> list[str] | None:
        """The speaker of each scored utterance; None where they are too few to redraw."""
        names = [one.speaker for one in self.scored]
        return names if has_enough_speakers(names) else None


def make_rows(models: Mapping[str, Parts], baseline: str) -> list[dict]:
    """Return a row per model, and one for the most likely phone.

    Columns: accuracy of the map with silence and on speech, both also of a map fitted to what it is scored on, and how
    far the model is above `baseline` on speech.

    Raises:
        UnitsError: The models were not scored on the same utterances, or fitted and scored on a common one.
    """
    for name, parts in models.items():
        _checked(name, parts, models[baseline])
    first = models[baseline]
    alone = Parts([_single(one) for one in first.fitted], [_single(one) for one in first.scored], 1)
    return [
        {"row": name, **_accuracies(parts), f"above {baseline}": None if name == baseline else _above(parts, first)}
        for name, parts in {LIKELIEST: alone, **models}.items()
    ]


def make_code_rows(models: Mapping[str, Parts], seed: int = 0) -> list[dict]:
    """Return a row per model: mutual information with the phones, bit rate, how often the codes tell the speaker."""
    found = []
    for name, parts in models.items():
        codes, phones = [one.codes for one in parts.scored], [one.phones for one in parts.scored]
        rate = parts.scored[0].rate if parts.scored else float("nan")
        used = np.unique(np.concatenate([np.zeros(0, np.int64), *codes]), return_counts=True)[1]
        found.append(
            {
                "row": name,
                PNMI: phone.pnmi(codes, phone.mask_silence(phones), parts.size, parts.speakers),
                PNMI_WITH: phone.pnmi(codes, phones, parts.size, parts.speakers),
                BITS: codebook.bit_rate(rate, parts.size),
                ENTROPY: codebook.entropy_rate(rate, used),
                SPEAKER: _speaker_told(parts, seed),
            }
        )
    return found


def make_abx_row(
    name: str, utterances: Sequence[Aligned], distances: abx.Distances, seed: int = 0, nj: int = 1
) -> dict[str, str | Estimate]:
    """Return the ABX errors of triphones within and across speakers, by `distances`.

    Intervals leave speakers out where there are enough of them.
    """
    tokens = abx.find_triphones(utterances)
    enough = has_enough_speakers(one.speaker for one in utterances)
    row: dict[str, str | Estimate] = {"row": name}
    for column, across in (("within speakers", False), ("across speakers", True)):
        row[column] = abx.estimate_error(
            tokens, distances, across, seed, nj, f"ABX, {name}, {column}", by_speaker=enough
        )
    return row


def guess_phones(parts: Parts, speech: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the phones of the scored utterances, and those guessed from their codes.

    The guess is the phone that a code was likeliest to be in the fitted utterances. With `speech`, silence and noise
    count in neither. A code of several stages that occurs in none of them is taken for what its first stage is.
    """
    (fitted, scored) = ([one.phones for one in part] for part in (parts.fitted, parts.scored))
    if speech:
        fitted, scored = phone.mask_silence(fitted), phone.mask_silence(scored)
    codes = [one.codes for one in parts.fitted]
    likeliest = phone.map_codes(codes, fitted, parts.size)
    if len(parts.stages) > 1:
        rest = parts.size // parts.stages[0]
        first = phone.map_codes([one // rest for one in codes], fitted, parts.stages[0])
        unknown = ~phone.count_pairs(codes, fitted, parts.size).any(axis=1)
        likeliest = np.where(unknown, np.repeat(first, rest), likeliest)
    return scored, [likeliest[one.codes] for one in parts.scored]


def _accuracies(parts: Parts) -> dict[str, Estimate]:
    codes, phones = [one.codes for one in parts.scored], [one.phones for one in parts.scored]
    return {
        WITH: phone.accuracy(*guess_phones(parts, speech=False), parts.speakers),
        WITHOUT: phone.accuracy(*guess_phones(parts, speech=True), parts.speakers),
        PAPER: phone.mapping_accuracy(codes, phone.mask_silence(phones), parts.size, parts.speakers),
        PAPER_WITH: phone.mapping_accuracy(codes, phones, parts.size, parts.speakers),
    }


def _above(parts: Parts, baseline: Parts) -> Estimate:
    """Difference of the accuracies on speech; both are redrawn together."""
    (hits, frames), (others, of) = (_hits(one) for one in (parts, baseline))
    found = estimate_statistic(lambda w: float((w @ hits) / (w @ frames) - (w @ others) / (w @ of)), len(hits), 1000)
    return replace(found, n=len(parts.scored))


def _hits(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that are recognised, and the frames of speech, of each speaker or utterance that is redrawn."""
    phones, guessed = guess_phones(parts, speech=True)
    hits = np.array([float(((p == g) & (p >= 0)).sum()) for p, g in zip(phones, guessed, strict=True)])
    frames = np.array([float((p >= 0).sum()) for p in phones])
    if not parts.speakers:
        return hits, frames
    _, place = np.unique(parts.speakers, return_inverse=True)
    return np.bincount(place, hits), np.bincount(place, frames)


def _speaker_told(parts: Parts, seed: int) -> Estimate | None:
    """Return how often a classifier recognises the speaker; None where no two speakers have two utterances."""
    keep = leak.has_speaker_pair([one.speaker for one in parts.scored])
    some = [one for one, chosen in zip(parts.scored, keep, strict=True) if chosen]
    if not some:
        return None
    shares = [leak.code_shares(one.codes, one.rate, parts.size, parts.stages) for one in some]
    return leak.accuracy(shares, [one.speaker for one in some], seed, by_speaker=parts.speakers is not None)


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
