"""Forced alignment of English with PocketSphinx: when each word and phone of a known text is spoken.

The package `pocketsphinx` brings its American English acoustic model and CMUdict. Two passes: the first finds the words
and the pauses between them and chooses among the pronunciations of each word; the second finds the phones and states of
exactly these words. The result depends only on the recording and its text, not on what was aligned before.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from vqspeech import audio, extras
from vqspeech.data import text
from vqspeech.data.alignment import Interval
from vqspeech.data.corpora.espeak import pronounce
from vqspeech.data.phones import NOISE, SILENCE
from vqspeech.errors import AlignmentError

LOWEST_MEAN = -2.5
"""Mean score of the words (nats per frame) below which an alignment is doubtful, as with the transcript of another
utterance.
"""
LOWEST_WORD = -8.0
"""Score of the worst word (nats per frame) below which an alignment is doubtful, as with words that nobody says.

With both limits, 1 % of LibriSpeech utterances are doubtful; with the transcript of another utterance, or with three
words inserted, all of 62; with three words removed, half of them; without the second half, one in eight. The acoustic
model knows human voices: synthetic ones are doubtful more often.
"""

_FRAMES = 100
# A frame is a window of 25.6 ms every 10 ms: the border of two frames is midway between their centres.
_SHIFT = (0.025625 - 0.01) / 2
# PocketSphinx counts in 1024ths of the logarithm to this base.
_NATS = 1024 * math.log(1.0001)
_WIDE = {"beam": 1e-200, "pbeam": 1e-200, "wbeam": 1e-150}


class AlignedUtterance(NamedTuple):
    """The alignment of one utterance.

    The score of a word is the mean over its frames of the log likelihood of the states found, less that of the state
    that fits best, of whatever phone: 0 nats at best.

    Attributes:
        words: Intervals of the words, without pauses (seconds).
        phones: Intervals of phones of the inventory, from 0 to the end (seconds).
        scores: Intervals of the words, labelled by their score.
        oov_words: Words that were in no dictionary.
        wide_beams: Whether only a second search, with very wide beams, found it.
    """

    words: list[Interval]
    phones: list[Interval]
    scores: list[Interval]
    oov_words: list[str]
    wide_beams: bool


class _Word(NamedTuple):
    """A word of the dictionary or a filler, in frames; its phones as (name, start, duration)."""

    name: str
    start: int
    duration: int
    score: int
    phones: list[tuple[str, int, int]]


class Aligner:
    """A forced aligner for English.

    Raises:
        MissingExtra: `pocketsphinx` is not installed.
    """

    def __init__(self) -> None:
        self._package = extras.import_extra("pocketsphinx", "align")
        self._narrow = self._decoder()
        self._derived: set[str] = set()

    def align(self, wave: np.ndarray, transcript: str) -> AlignedUtterance:
        """Return the alignment of a recording and its transcript, some forty times faster than real time.

        Args:
            wave: float32 `(samples,)` at `audio.RATE`.
            transcript: What is spoken in it.

        Raises:
            AlignmentError: There are no words, or the search does not find them, not even with very wide beams.
            MissingExtra: A word is in no dictionary and espeak-ng is not installed.
        """
        words = text.split_words(transcript)
        if not words:
            raise AlignmentError("no transcript; complete text, or leave the utterance out")
        sound = (np.clip(wave, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        found, wide = self._search(self._narrow, sound, words), False
        if found is None:
            found, wide = self._search(self._wide, sound, words), True
        if found is None:
            fix = "is it the transcript of another one? correct it, or leave the utterance out"
            raise AlignmentError(f"the {len(words)} words of its transcript cannot be found in it; {fix}")
        derived = [word for word in dict.fromkeys(words) if word in self._derived]
        return _to_utterance(found, words, len(wave) / audio.RATE, derived, wide)

    @cached_property
    def _wide(self) -> Any:
        return self._decoder(**_WIDE)

    def _decoder(self, **options: float) -> Any:
        return self._package.Decoder(lm=None, bestpath=False, loglevel="FATAL", **options)

    def _search(self, decoder: Any, sound: bytes, words: Sequence[str]) -> list[_Word] | None:
        """Return the words with their phones, and pauses; None where the search did not reach the last word."""
        try:
            decoder.reinit_feat()  # otherwise it keeps the noise estimate of the previous recording
            decoder.set_align_text(" ".join(self._look_up(decoder, word) for word in words))
            _decode(decoder, sound)
            if decoder.hyp() is None:
                return None
            decoder.set_alignment()
            _decode(decoder, sound)
            alignment = decoder.get_alignment()
        except RuntimeError:  # how pocketsphinx reports every failure
            return None
        found = [
            _Word(w.name, w.start, w.duration, w.score, [(p.name, p.start, p.duration) for p in w])
            for w in alignment or ()
        ]
        return found if sum(not _is_filler(word.name) for word in found) == len(words) else None

    def _look_up(self, decoder: Any, word: str) -> str:
        """Return the spelling of a word in the dictionary of `decoder`; add it where it is missing."""
        for entry in (word, word.strip("'")):
            if decoder.lookup_word(entry) is not None:
                return entry
        decoder.add_word(word, " ".join(pronounce(word)).upper(), False)
        self._derived.add(word)
        return word


def find_doubt(scores: Iterable[Interval]) -> str | None:
    """Return why an alignment is doubtful, by the scores of its words (labels of intervals); None where it is not."""
    words = [(end - start, float(label), start) for start, end, label in scores]
    if not words:
        return "no words"
    mean = sum(lasts * score for lasts, score, _ in words) / sum(lasts for lasts, *_ in words)
    if mean < LOWEST_MEAN:
        return f"its words score {mean:.1f} on average"
    _, lowest, start = min(words, key=lambda word: word[1])
    return f"the word at {start:.2f} s scores {lowest:.1f}" if lowest < LOWEST_WORD else None


def _decode(decoder: Any, sound: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(sound, no_search=False, full_utt=True)
    decoder.end_utt()


def _is_filler(name: str) -> bool:
    return name.startswith(("<", "["))


def _to_utterance(
    found: list[_Word], words: list[str], seconds: float, oov_words: list[str], wide_beams: bool
) -> AlignedUtterance:
    last = found[-1].start + found[-1].duration

    def time(frame: int) -> float:
        return 0.0 if frame == 0 else seconds if frame == last else min(frame / _FRAMES + _SHIFT, seconds)

    spoken = [word for word in found if not _is_filler(word.name)]
    spans = [(time(word.start), time(word.start + word.duration)) for word in spoken]
    scores = [f"{word.score * _NATS / max(1, word.duration):.2f}" for word in spoken]
    phones: list[Interval] = []
    for name, start, duration in (phone for word in found for phone in word.phones):
        label = SILENCE if name == "SIL" else NOISE if name.startswith("+") else name.lower()
        begin = time(start)
        if label == SILENCE and phones and phones[-1].label == SILENCE:
            begin = phones.pop().start
        phones.append(Interval(begin, time(start + duration), label))
    return AlignedUtterance(
        [Interval(*span, word) for span, word in zip(spans, words, strict=True)],
        phones,
        [Interval(*span, score) for span, score in zip(spans, scores, strict=True)],
        oov_words,
        wide_beams,
    )
