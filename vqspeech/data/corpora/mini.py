"""A small corpus of ten synthetic voices with text and exact phone times, synthesised by espeak-ng.

Laid out like VCTK: `wav/anna/anna-001.wav`, `txt/anna/anna-001.txt`, `ali/anna/anna-001.ctm`. The number of an
utterance is that of its sentence in `sentences.txt`: all voices read the first 20, so that a conversion can be compared
with the target's own reading, and each voice reads 92 more that no other reads. 1,120 utterances, 67 minutes, with the
same samples each time. It is for trying things out: ten formant synthesisers are far easier to tell apart than people,
and their phones vary far less from one sentence to the next.
"""

import os
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vqspeech import audio
from vqspeech.data.alignment import Interval, write_ctm
from vqspeech.data.corpora import espeak
from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import SILENCE
from vqspeech.errors import CorpusError
from vqspeech.files import write_text
from vqspeech.jobs import run_jobs


class Voice(NamedTuple):
    """A voice of the corpus: its name in espeak-ng, speed in words per minute, relative pitch, gender 'f' or 'm'."""

    name: str
    speed: int
    pitch: int
    gender: str


VOICES: dict[str, Voice] = {
    "anna": Voice("en-us+f1", 160, 45, "f"),
    "bruno": Voice("en-us+m1", 165, 50, "m"),
    "clara": Voice("en-gb-x-rp+f5", 155, 50, "f"),
    "david": Voice("en-us+rob", 160, 75, "m"),
    "emma": Voice("en+steph", 160, 60, "f"),
    "felix": Voice("en+klatt4", 160, 40, "m"),
    "grace": Voice("en-us+Annie", 150, 60, "f"),
    "hugo": Voice("en-us+Denis", 160, 85, "m"),
    "iris": Voice("en-us+f2", 160, 90, "f"),
    "jonas": Voice("en+m8", 155, 50, "m"),
}
"""The speakers: mean F0 from 87 Hz (jonas) to 293 Hz (iris), seven American and three British ones."""
COMMON_SENTENCES = 20
"""Number of sentences that all voices read."""
OWN_SENTENCES = 92
"""Number of sentences that each voice reads alone."""

_LEVEL = 0.06
_MARGIN = 0.2
_NOISE = 3e-4


class _Reading(NamedTuple):
    """What one voice reads in one utterance."""

    speaker: str
    utterance: str
    text: str


def prepare(corpus: str | os.PathLike[str], nj: int = 1) -> tuple[DataDir, Account]:
    """Synthesise what is missing in `corpus`; return its utterances, and the account of them.

    Every utterance has text, gender and alignment. The whole corpus takes half a minute, divided by `nj` processes.

    Raises:
        MissingExtra: Something must be synthesised and espeak-ng is not installed.
    """
    return make_corpus(corpus, list_readings(), nj)


def read_sentences() -> list[str]:
    """Return the sentences, in order of their numbers (from 1)."""
    return (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()


def list_readings() -> list[_Reading]:
    """Return all readings: of each voice the common sentences, then its own."""
    texts = read_sentences()
    return [
        _Reading(speaker, f"{speaker}-{number + 1:03d}", texts[number])
        for turn, speaker in enumerate(VOICES)
        for number in [
            *range(COMMON_SENTENCES),
            *range(COMMON_SENTENCES + turn * OWN_SENTENCES, COMMON_SENTENCES + (turn + 1) * OWN_SENTENCES),
        ]
    ]


def make_corpus(corpus: str | os.PathLike[str], wanted: list[_Reading], nj: int = 1) -> tuple[DataDir, Account]:
    """Synthesise and return the readings `wanted` only, as `prepare` does all."""
    root = Path(os.path.abspath(corpus))
    if root.exists() and not root.is_dir():
        raise CorpusError(f"{root}: is a file; choose a folder to make the corpus in")
    account = Account("mini", recordings=len(wanted))
    missing = [reading for reading in wanted if not _is_made(root, reading)]
    if missing:
        espeak.locate_library()
    for reading, _, error in run_jobs(partial(_make_reading, root), missing, nj, "utterances"):
        if error is not None:
            raise CorpusError(f"{reading.utterance}: {error}")
    utterances = [
        Utterance(
            reading.utterance,
            reading.speaker,
            str(_path(root, "wav", reading)),
            text=reading.text,
            gender=VOICES[reading.speaker].gender,
            alignment=str(_path(root, "ctm", reading)),
        )
        for reading in wanted
    ]
    return measure_utterances(utterances, account), account


def synthesise_recording(speaker: str, text: str, seed: int = 0) -> tuple[np.ndarray, list[Interval]]:
    """Return a text as read by a speaker of the corpus.

    All voices are equally loud; 0.2 s of pause surround the sentence, and a little noise is added to all of it, as no
    recording is digital silence.

    Args:
        speaker: Of `VOICES`.
        text: A sentence.
        seed: Of the noise.

    Returns:
        float32 samples `(samples,)` at `espeak.RATE`, and the phones from 0 to the end (seconds).
    """
    voice = VOICES[speaker]
    spoken, phonemes = espeak.synthesise(text, voice.name, voice.speed, voice.pitch)
    source = "espeak" if voice.name.startswith("en-us") else "espeak-gb"
    phones = espeak.time_phones(spoken, phonemes, source)
    wave = spoken.astype(np.float64)
    wave *= _LEVEL / np.sqrt(np.mean(wave**2))
    wave *= min(1.0, 0.95 / np.abs(wave).max())
    margin = round(_MARGIN * espeak.RATE)
    wave = np.pad(wave, margin)
    wave += np.random.default_rng(seed).normal(scale=_NOISE, size=len(wave))
    shift, end = margin / espeak.RATE, len(wave) / espeak.RATE
    moved = [Interval(start + shift, stop + shift, phone) for start, stop, phone in phones]
    first, last = moved[0], moved[-1]
    if first.label == SILENCE:
        moved[0] = first._replace(start=0.0)
    else:
        moved.insert(0, Interval(0.0, first.start, SILENCE))
    if last.label == SILENCE:
        moved[-1] = moved[-1]._replace(end=end)
    else:
        moved.append(Interval(last.end, end, SILENCE))
    return wave.astype(np.float32), moved


def _make_reading(root: Path, reading: _Reading) -> None:
    wave, phones = synthesise_recording(reading.speaker, reading.text, zlib.crc32(reading.utterance.encode()))
    write_ctm(_path(root, "ctm", reading), reading.utterance, phones)
    audio.write(_path(root, "wav", reading), wave, espeak.RATE)
    # Written last: where it exists, the others do.
    write_text(_path(root, "txt", reading), f"{reading.text}\n")


def _path(root: Path, ending: str, reading: _Reading) -> Path:
    folder = {"ctm": "ali"}.get(ending, ending)
    return root / folder / reading.speaker / f"{reading.utterance}.{ending}"


def _is_made(root: Path, reading: _Reading) -> bool:
    text = _path(root, "txt", reading)
    if not text.is_file() or text.read_text(encoding="utf-8").strip() != reading.text:
        return False
    return all(_path(root, ending, reading).is_file() for ending in ("ctm", "wav"))
