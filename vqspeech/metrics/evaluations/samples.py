"""The table that compares samples of a prior with real speech, with simpler samples and with babble."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.data.text import normalise_text
from vqspeech.data.units import Units
from vqspeech.errors import VqspeechError
from vqspeech.jobs import Skipped
from vqspeech.metrics.judges import Recogniser
from vqspeech.metrics.measures import samples
from vqspeech.metrics.measures.bootstrap import redraw_speakers
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.models.coder import Coder
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import track

RECORDINGS, RESYNTHESISED, BABBLE = "recordings", "recordings, resynthesised", "babble"
"""Names of rows: speech, the best that a decoder can do, and the worst."""
SURE, JUDGED, NGRAM = "sure words/s", "perplexity by the judge", "perplexity by an n-gram"


@dataclass(frozen=True)
class Judge:
    """A language model of another family than the n-grams that are judged, over the units of another encoder.

    No prior can please it by having learned from the same codes, nor an n-gram by being one.
    """

    coder: Coder
    prior: LatentPrior

    def bits(self, codes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return -log2 p of each unit of clips `(codes,)`, speaker unknown: float64 `(codes,)` each."""
        return self.prior.bits(codes, [None] * len(codes))

    @property
    def description(self) -> str:
        """What stands below a table."""
        network = self.prior.config["prior"]["name"]
        size = sum(one.numel() for one in self.prior.parameters())
        units = f"{self.prior.size} units at {self.prior.rate:g} Hz of another encoder"
        return f"{network} of {size:,} parameters over {units}"


@dataclass(frozen=True)
class Clips:
    """The clips of a row.

    Attributes:
        name: Of the row.
        codes: Of each clip.
        seconds: Their lengths, where they are sounds.
        words: The words that are heard in each.
        sure: Those that are heard for sure.
        units: What the judge is given.
        speakers: Who speaks, where that is known.
    """

    name: str
    codes: Sequence[np.ndarray]
    seconds: Sequence[float] | None = None
    words: Sequence[Sequence[str]] | None = None
    sure: Sequence[frozenset[str]] | None = None
    units: Sequence[np.ndarray] | None = None
    speakers: Sequence[str] | None = None


@dataclass(frozen=True)
class Speech:
    """What samples are compared with.

    Attributes:
        ngram: Fitted to held-out codes.
        codes: Of real speech.
        phone_of: The likeliest phone of each code `(size,)`, where that is known.
        dictionary: Words, where there is a dictionary.
        judge: A language model, where there is one.
    """

    ngram: KneserNey
    codes: Sequence[np.ndarray]
    phone_of: np.ndarray | None
    dictionary: frozenset[str] | None
    judge: Judge | None = None


def transcribe_clips(
    name: str, clips: Iterable[Utterance], model: VQVAE, recogniser: Recogniser, skipped: Skipped,
    judge: Judge | None = None,
) -> Clips:  # fmt: skip
    """Encode and transcribe sounds by the model's encoder, the judge's and a recogniser.

    Those that cannot be read go to `skipped`.
    """
    codes, seconds, words, sure, units, speakers = [], [], [], [], [], []
    for clip in track(list(clips), name):
        try:
            wave = audio.read_waveform(clip.path, clip.start, clip.end)
        except VqspeechError as error:
            skipped.add(f"{name} {clip.id}", error)
            continue
        codes.append(model.encode(wave))
        seconds.append(len(wave) / audio.RATE)
        words.append(normalise_text(recogniser.transcribe(wave)).split())
        sure.append(samples.find_sure_words(wave, words[-1], recogniser))
        speakers.append(clip.speaker)
        if judge is not None:
            units.append(judge.coder.encode(wave))
    return Clips(
        name, codes, seconds, words, sure, units if judge else None, speakers if speakers and all(speakers) else None
    )


def wrap_codes(name: str, units: Units) -> Clips:
    """Return the clips of codes as a prior has drawn them, before they are decoded."""
    return Clips(f"{name}: codes as drawn", list(units.codes.values()))


def make_rows(table: Sequence[Clips], speech: Speech) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the table, and how it was measured.

    Codes are compared in equal amounts: the least of any row.
    """
    total = min(sum(map(len, clips.codes)) for clips in table)
    units = min((sum(map(len, clips.units)) for clips in table if clips.units is not None), default=0)
    made = [_row(clips, total, units, speech) for clips in table]
    notes = [
        (
            f"codes: as the encoder hears them, the first {total} of each row; {NGRAM}: a Kneser–Ney "
            f"{speech.ngram.order}-gram fitted to held-out speech, which judges none; repetition: share of sequences "
            f"of {samples.REPEATED} codes that came before in the clip; divergence (Jensen–Shannon, bits) of pairs of "
            "neighbouring codes and phones from real speech; runs of one code or phone count as one"
        ),
        (
            f"{SURE}: different words of a clip, of the dictionary if there is one, that are heard at its speed, 6 % "
            "slower and 6 % faster: the recogniser makes words of any noise, but not twice the same"
        ),
    ]
    if speech.judge is not None:
        notes.append(
            f"the judge: {speech.judge.description}, fitted to recordings; the first {units} units of each row"
        )
    drawn = {clips.name: redraw_speakers(clips.speakers, what="recordings").words for clips in table if clips.speakers}
    notes += [f"{name}: {words}" for name, words in drawn.items()]
    notes += ["of other rows, intervals redraw clips, which are drawn each by itself"]
    by_name = {row["row"]: row for row in made if SURE in row}
    if BABBLE in by_name and RESYNTHESISED in by_name:
        figures = {"words": lambda row: row[SURE].value}
        if speech.judge is not None:
            figures["units"] = lambda row: np.log(row[JUDGED].value)
        for column, figure in figures.items():
            low, high = figure(by_name[BABBLE]), figure(by_name[RESYNTHESISED])
            for row in by_name.values():
                row[f"babble-free: {column}"] = (figure(row) - low) / (high - low) if high != low else None
        by = f"by {SURE}" + (f", and by the logarithm of the {JUDGED}" if speech.judge is not None else "")
        notes.append(f"babble-free: where a row lies between babble, 0, and resynthesised speech, 1: {by}")
    return made, notes


def _row(clips: Clips, total: int, units: int, speech: Speech) -> dict[str, Any]:
    row: dict[str, Any] = {"row": clips.name}
    codes = samples.cut_codes(clips.codes, total)
    groups, of_codes = _groups(clips, len(clips.codes)), _groups(clips, len(codes))
    if clips.words is not None and clips.sure is not None and clips.seconds is not None:
        row["words/s"] = samples.word_rate(clips.words, clips.seconds, groups)
        if speech.dictionary is not None:
            row["in the dictionary"] = samples.known_word_share(clips.words, speech.dictionary, groups)
        row[SURE] = samples.sure_word_rate(clips.sure, clips.seconds, speech.dictionary, groups)
    if speech.judge is not None and clips.units is not None:
        judged = samples.cut_codes(clips.units, units)
        row[JUDGED] = samples.perplexity(speech.judge.bits(judged), _groups(clips, len(judged)))
    row[NGRAM] = samples.perplexity([speech.ngram.bits(one) for one in codes], of_codes)
    row["repetition"] = samples.repetition(codes, of_codes)
    row["code pairs: divergence"] = samples.divergence(codes, speech.codes, of_codes)
    if speech.phone_of is not None:
        row["phone pairs: divergence"] = samples.divergence(
            [speech.phone_of[one] for one in codes], [speech.phone_of[one] for one in speech.codes], of_codes
        )
    return row


def _groups(clips: Clips, count: int) -> samples.Groups:
    """Return what intervals over the first `count` clips redraw: speakers, where they are known and enough."""
    return redraw_speakers(clips.speakers[:count]).groups if clips.speakers else None
