"""Speech from espeak-ng, with the exact time of every phoneme.

The library comes from the PyPI package `espeakng_loader`. espeak-ng is GPL: it is loaded only while a text is spoken.
"""

import ctypes
import os
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from vqspeech import extras
from vqspeech.data.alignment import Interval
from vqspeech.data.phones import SILENCE, split_label
from vqspeech.errors import AlignmentError, CorpusError

RATE = 22_050
"""Sampling rate of espeak-ng (Hz)."""

# From espeak-ng's speak_lib.h.
_RETRIEVAL = 1
_PHONEME_EVENTS = 0x0001
_DONT_EXIT = 0x8000
_PARAMETER_SPEED = 1
_PARAMETER_PITCH = 3
_POSITION_CHARACTER = 1
_UTF8 = 1
_EVENT_END = 0
_EVENT_PHONEME = 7

_STRESS = "'\",=%"
_R = ("r", "r-", "r/")
_STOPS = frozenset(["p", "b", "t", "d", "k", "g", "ch", "jh"])
_NASALS = frozenset(["m", "n", "ng"])
# Seconds, except the last, in dB.
_SHORTEST = 0.02
_CODA = 0.065
_TRANSITION = 0.055
_SIDE = 0.012
_RISE = 4.0


class Phoneme(NamedTuple):
    """A phoneme of espeak-ng: its first sample, and its mnemonic without the stress mark."""

    sample: int
    mnemonic: str


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def synthesise(text: str, voice: str = "en-us", speed: int = 165, pitch: int = 50) -> tuple[np.ndarray, list[Phoneme]]:
    """Return a text as spoken by a voice; the same arguments give the same samples, whenever they are given.

    The variants of `klatt 6` (Reed, caleb) are the exception: their noise is that of the C library's `rand`.

    Args:
        text: A sentence.
        voice: Language and variant, such as "en-us+f2".
        speed: Words per minute, 80 to 450.
        pitch: Relative, 0 to 99; 50 is the voice's own.

    Returns:
        int16 samples `(samples,)` at `RATE`, and the phonemes in order of time.

    Raises:
        CorpusError: espeak-ng has no such voice or produces no sound.
        MissingExtra: `espeakng_loader` is not installed.
    """
    library_path, data_path = locate_library()
    pieces: list[bytes] = []
    phonemes: list[Phoneme] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        k = 0
        while events[k].type != _EVENT_END:
            if events[k].type == _EVENT_PHONEME:
                name = events[k].id.decode("utf-8", "replace").lstrip(_STRESS)
                phonemes.append(Phoneme(events[k].sample, name))
            k += 1
        return 0

    # espeak-ng keeps flutter, noise and voice settings from one sentence to the next in static variables that nothing
    # resets; loading the library afresh (5 ms) is what makes a sentence independent of those before it.
    library = ctypes.CDLL(library_path)
    callback = _Callback(receive)
    try:
        if library.espeak_Initialize(_RETRIEVAL, 0, os.fsencode(data_path), _PHONEME_EVENTS | _DONT_EXIT) != RATE:
            raise CorpusError(f"espeak-ng does not start with {data_path}; reinstall espeakng-loader")
        # Breath is noise of a generator that espeak-ng seeds with the time of day.
        library.espeak_ng_SetRandSeed(ctypes.c_long(zlib.crc32(text.encode()) & 0x7FFFFFFF))
        library.espeak_SetSynthCallback(callback)
        # espeak-ng itself takes an unknown variant for none.
        variant = voice.partition("+")[2]
        known = not variant or os.path.isfile(os.path.join(data_path, "voices", "!v", variant))
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise CorpusError(f"espeak-ng has no voice {voice!r}; use a language and a variant, such as en-us+f2")
        library.espeak_SetParameter(_PARAMETER_SPEED, speed, 0)
        library.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
        encoded = text.encode()
        size = ctypes.c_size_t(len(encoded) + 1)
        library.espeak_Synth(ctypes.c_char_p(encoded), size, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _unload(library)
    wave = np.frombuffer(b"".join(pieces), dtype=np.int16)
    if not wave.any() or not phonemes:
        raise CorpusError(f"espeak-ng produces no sound for {text!r}; give it a sentence with words")
    return wave, phonemes


def time_phones(wave: np.ndarray, phonemes: list[Phoneme], source: str = "espeak") -> list[Interval]:
    """Return the phones (of `vqspeech.data.phones`) in speech from `synthesise`, from 0 to its end (seconds).

    There are no gaps and no overlaps; all pauses are `sil`. espeak-ng's own times are changed in four places: the
    closure of a stop, which espeak-ng counts to the phone before, belongs to the stop, as in hand labels; a vowel after
    a nasal, which espeak-ng dates when its formants have arrived, starts where the nasal opens (25 ms earlier in the
    median); an l or r that espeak-ng speaks as the end of the vowel and gives no time takes the last 65 ms of that
    vowel (at most half); and a mnemonic of several phones (r-coloured vowels, syllabic l) is divided evenly.

    Args:
        wave: int16 samples `(samples,)`.
        phonemes: Its phonemes.
        source: "espeak" (rhotic) or "espeak-gb", as in `phones.split_label`.

    Raises:
        CorpusError: A mnemonic has no phone.
    """
    marks = [Phoneme(0, "_"), *phonemes]
    bounds = [min(mark.sample, len(wave)) for mark in marks] + [len(wave)]
    spans: list[_Span] = []
    for k, (_, mnemonic) in enumerate(marks):
        start, end = bounds[k : k + 2]
        phones = (SILENCE,) if mnemonic.startswith("_") or not mnemonic else split_label(mnemonic, source)
        if phones is None:
            raise CorpusError(f"espeak-ng's phoneme {mnemonic!r} has no phone; add it to vqspeech/data/phones.py")
        # An r behind an r-coloured vowel is that vowel's own, in "pair of" as in "pair".
        if not phones or (mnemonic in _R and spans[-1].phone == "r"):
            spans[-1] = spans[-1]._replace(end=end)
            continue
        if spans:
            start = _find_onset(wave, spans[-1], start, phones[0])
            spans[-1] = spans[-1]._replace(end=start)
        edges = np.linspace(start, end, len(phones) + 1).round().astype(int).tolist()
        spans += [_Span(edges[i], edges[i + 1], phone) for i, phone in enumerate(phones)]
    return _merge_pauses(_share_codas(spans))


@lru_cache(maxsize=65536)
def pronounce(word: str, voice: str = "en-us") -> tuple[str, ...]:
    """Return the phones of an English word by the spelling rules and exceptions of espeak-ng (20 ms per word).

    Against CMUdict one phone in ten is wrong, mostly in unstressed vowels.

    Raises:
        AlignmentError: espeak-ng does not speak the word.
        MissingExtra: `espeakng_loader` is not installed.
    """
    try:
        times = time_phones(*synthesise(word, voice), source="espeak")
    except CorpusError as error:
        raise AlignmentError(f"no pronunciation of {word!r} ({error}); spell it as it is spoken") from None
    return tuple(phone for _, _, phone in times if phone != SILENCE)


class _Span(NamedTuple):
    """A phone, in samples."""

    start: int
    end: int
    phone: str


def locate_library() -> tuple[str, str]:
    """Return the paths of espeak-ng's library and data.

    Raises:
        MissingExtra: They are not installed.
    """
    package = extras.import_extra("espeakng_loader", "mini")
    return package.get_library_path(), package.get_data_path()


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes

    unload = "FreeLibrary" if os.name == "nt" else "dlclose"
    getattr(_ctypes, unload)(library._handle)  # noqa: SLF001 (ctypes has no other way)


def _find_onset(wave: np.ndarray, before: _Span, start: int, phone: str) -> int:
    """Return the sample at which `phone` starts; espeak-ng says `start`."""
    if phone in _STOPS and before.phone != SILENCE:
        loud = np.flatnonzero(wave[before.start : start])
        return before.start + int(loud[-1]) + 1 if len(loud) else before.start
    if before.phone in _NASALS and phone[0] in "aeiou":
        return _find_opening(wave, before.start, start)
    return start


def _find_opening(wave: np.ndarray, first: int, last: int) -> int:
    """Return the sample between `first` and `last` where the wave brightens most, if by `_RISE` dB; else `last`."""
    side = round(_SIDE * RATE)
    at = np.arange(max(first + side, last - round(_TRANSITION * RATE)), min(last, len(wave) - side - 1))
    if not len(at):
        return last
    # The first difference weighs the formants, which a nasal lacks, against its murmur.
    piece = wave[at[0] - side : last + side + 1].astype(np.float64)
    energy = np.concatenate([[0.0], np.cumsum(np.diff(piece) ** 2)])
    middle = energy[side:][: len(at)]
    rise = 10 * np.log10((energy[2 * side :][: len(at)] - middle + 1) / (middle - energy[: len(at)] + 1))
    return int(at[rise.argmax()]) if rise.max() > _RISE else last


def _share_codas(spans: list[_Span]) -> list[_Span]:
    """Give the end of the vowel to an l or r without a time of its own, and remove empty phones."""
    shared = list(spans)
    for k in range(1, len(shared)):
        vowel, liquid = shared[k - 1 : k + 1]
        short = liquid.phone in ("l", "r") and liquid.end - liquid.start < _SHORTEST * RATE
        if short and vowel.phone[0] in "aeiou":
            border = max(vowel.end - round(_CODA * RATE), (vowel.start + vowel.end) // 2)
            shared[k - 1 : k + 1] = [vowel._replace(end=border), liquid._replace(start=border)]
    return [span for span in shared if span.start < span.end]


def _merge_pauses(spans: list[_Span]) -> list[Interval]:
    """Return intervals in seconds, with adjacent pauses merged."""
    merged: list[_Span] = []
    for span in spans:
        if merged and span.phone == SILENCE == merged[-1].phone:
            merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return [Interval(start / RATE, end / RATE, phone) for start, end, phone in merged]
