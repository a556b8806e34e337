"""The table that tells samples of a prior from babble, with real speech above them and simpler samples below."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.data.text import normalised
from vqspeech.data.units import Units
from vqspeech.errors import VqspeechError
from vqspeech.jobs import Skipped
from vqspeech.metrics import samples
from vqspeech.metrics.intelligibility import Recogniser
from vqspeech.metrics.kneser_ney import KneserNey
from vqspeech.models.vqvae import VQVAE

RECORDINGS, RESYNTHESISED, BABBLE = "recordings", "recordings, resynthesised", "babble"
"""Names of rows: speech, the best that a decoder can do, and the worst."""
SURE, JUDGED = "sure words/s", "perplexity"


@dataclass(frozen=True)
class Clips:
    """The clips of a row: their codes, and, where they are sounds, their lengths in seconds, the words heard and those
    that are heard for sure."""

    name: str
    codes: Sequence[np.ndarray]
    seconds: Sequence[float] | None = None
    words: Sequence[Sequence[str]] | None = None
    sure: Sequence[frozenset[str]] | None = None


@dataclass(frozen=True)
class Speech:
    """What samples are held against: an n-gram fitted to held-out codes, the codes of real speech, the likeliest phone
    of each code `(size,)`, where that is known, and the words of a dictionary, where there is one."""

    ngram: KneserNey
    codes: Sequence[np.ndarray]
    phone_of: np.ndarray | None
    dictionary: frozenset[str] | None


def heard(name: str, clips: Iterable[Utterance], model: VQVAE, recogniser: Recogniser, skipped: Skipped) -> Clips:
    """What the model's encoder and a recogniser make of sounds; those that cannot be read go to `skipped`."""
    codes, seconds, words, sure = [], [], [], []
    for clip in tqdm(list(clips), name, disable=None, leave=False):
        try:
            wave = audio.waveform(clip.path, clip.start, clip.end)
        except VqspeechError as error:
            skipped.add(f"{name} {clip.id}", error)
            continue
        codes.append(model.encode(wave))
        seconds.append(len(wave) / audio.RATE)
        words.append(normalised(recogniser.transcribe(wave)).split())
        sure.append(samples.sure_words(wave, words[-1], recogniser))
    return Clips(name, codes, seconds, words, sure)


def drawn(name: str, units: Units) -> Clips:
    """Codes as a prior has drawn them, before they are sounds."""
    return Clips(f"{name}: codes as drawn", list(units.codes.values()))


def rows(table: Sequence[Clips], speech: Speech) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the table, and how it was measured. Codes are compared in equal amounts: the least of any row."""
    total = min(sum(map(len, clips.codes)) for clips in table)
    made = [_row(clips, samples.cut(clips.codes, total), speech) for clips in table]
    notes = [
        f"codes: as the encoder hears them, the first {total} of each row; perplexity under a Kneser–Ney "
        f"{speech.ngram.order}-gram fitted to held-out speech; repetition: share of sequences of {samples.REPEATED} "
        "codes that came before in the clip; divergence (Jensen–Shannon, bits) of pairs of neighbouring codes and "
        "phones from real speech; runs of one code or phone count as one",
        f"{SURE}: different words of a clip, of the dictionary if there is one, that are heard at its speed, 6 % "
        "slower and 6 % faster: the recogniser makes words of any noise, but not twice the same",
    ]
    by_name = {row["row"]: row for row in made if SURE in row}
    if BABBLE in by_name and RESYNTHESISED in by_name:
        figures = {"words": lambda row: row[SURE].value, "codes": lambda row: np.log(row[JUDGED].value)}
        for column, figure in figures.items():
            low, high = figure(by_name[BABBLE]), figure(by_name[RESYNTHESISED])
            for row in by_name.values():
                row[f"babble-free: {column}"] = (figure(row) - low) / (high - low) if high != low else None
        notes.append(
            f"babble-free: where a row lies between babble, 0, and resynthesised speech, 1: by {SURE}, and by the "
            f"logarithm of the {JUDGED}"
        )
    return made, notes


def _row(clips: Clips, codes: Sequence[np.ndarray], speech: Speech) -> dict[str, Any]:
    row: dict[str, Any] = {"row": clips.name}
    if clips.words is not None and clips.sure is not None and clips.seconds is not None:
        row["words/s"] = samples.words_a_second(clips.words, clips.seconds)
        if speech.dictionary is not None:
            row["in the dictionary"] = samples.known_words(clips.words, speech.dictionary)
        row[SURE] = samples.sure_words_a_second(clips.sure, clips.seconds, speech.dictionary)
    row[JUDGED] = samples.perplexity([speech.ngram.bits(one) for one in codes])
    row["repetition"] = samples.repetition(codes)
    row["code pairs: divergence"] = samples.divergence(codes, speech.codes)
    if speech.phone_of is not None:
        row["phone pairs: divergence"] = samples.divergence(
            [speech.phone_of[one] for one in codes], [speech.phone_of[one] for one in speech.codes]
        )
    return row
