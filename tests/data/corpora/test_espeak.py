"""Speech from espeak-ng and the times of its phones."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from vqspeech.data.corpora import espeak
from vqspeech.data.phones import PHONES
from vqspeech.errors import AlignmentError, CorpusError, MissingExtra

WATCH = "She bought a pocket watch, but all the small bottles fell."


def phones(text=WATCH, voice="en-us+m1", source="espeak"):
    wave, phonemes = espeak.synthesise(text, voice)
    return wave, espeak.time_phones(wave, phonemes, source)


def test_the_same_samples_whatever_was_spoken_before():
    first, marks = espeak.synthesise(WATCH, "en-us+f1")
    espeak.synthesise("Something else.", "en+klatt4", 200, 80)
    second, again = espeak.synthesise(WATCH, "en-us+f1")
    assert first.dtype == np.int16 and np.array_equal(first, second) and marks == again


def test_speed_pitch_and_voice_matter():
    plain = espeak.synthesise(WATCH)[0]
    assert len(espeak.synthesise(WATCH, speed=120)[0]) > 1.2 * len(plain)
    assert not np.array_equal(espeak.synthesise(WATCH, pitch=90)[0][:9000], plain[:9000])
    assert not np.array_equal(espeak.synthesise(WATCH, "en-us+f1")[0][:9000], plain[:9000])


def test_phones_of_a_sentence():
    wave, found = phones()
    text = "sil sh iy b ao t ah p aa k ih t w aa ch sil b ah t ao l dh ah s m ao l b aa t ah l z f eh l sil"
    assert [i.label for i in found] == text.split()
    assert found[0].start == 0 and found[-1].end == len(wave) / espeak.RATE
    assert all(a.end == b.start and a.start < a.end for a, b in pairwise(found))
    pause = next(i for i in found[1:] if i.label == "sil")
    assert pause.end - pause.start > 0.12, "the pause is not the closure of the stop behind it"


def test_accents():
    american = " ".join(i.label for i in phones("The car is near the fire.")[1])
    british = " ".join(i.label for i in phones("The car is near the fire.", "en+f1", "espeak-gb")[1])
    assert american == "sil dh ah k aa r ih z n ih r dh ah f ay er sil"
    assert british == "sil dh ah k aa r ih z n ih ah dh ah f ay ah sil"


@pytest.mark.parametrize("voice", ["en-us+m1", "en-us+f1", "en+klatt4"])
def test_times_fit_the_sound(voice):
    """What is heard within each phone is what the phone is like: the times are those of the samples."""
    texts = [
        "She saw six fish, and some shy sheep.",
        "Many men in the moon may know a new name.",
        "Do keep a cup to pack.",
    ]
    measured: dict[str, list[float]] = {}
    for text in texts:
        wave, found = phones(text, voice, "espeak" if "us" in voice else "espeak-gb")
        for start, end, phone in found:
            part = wave[round(start * espeak.RATE) : round(end * espeak.RATE)].astype(float)
            if phone == "sil":
                assert not part.any()
            elif phone in ("p", "t", "k"):
                assert part[len(part) // 2 :].any()
                measured.setdefault("closed", []).append(not part[: len(part) // 4].any())
            else:
                crossings = (np.diff(np.signbit(part)) != 0).mean() * espeak.RATE / 2
                measured.setdefault(phone, []).append(crossings)
                if phone not in ("s", "sh", "f"):
                    measured.setdefault("level of " + phone, []).append(np.sqrt((np.diff(part) ** 2).mean()))
    assert np.mean(measured["closed"]) > 0.6  # all but those behind a pause or before an s
    assert min(measured["s"] + measured["sh"]) > 1500  # mean frequency of hiss, Hz
    assert max(measured["ih"] + measured["m"] + measured["n"]) < 1500
    assert np.median(measured["level of m"] + measured["level of n"]) < 0.6 * np.median(measured["level of ey"])


def test_errors(monkeypatch):
    for voice in ("en-us+nobody", "tlh-xx"):
        with pytest.raises(CorpusError, match="no voice"):
            espeak.synthesise("Hello.", voice)
    with pytest.raises(CorpusError, match="produces no sound"):
        espeak.synthesise(" ")
    wave, _ = espeak.synthesise("Hello.")
    with pytest.raises(CorpusError, match="has no phone"):
        espeak.time_phones(wave, [espeak.Phoneme(10, "&&")])
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    with pytest.raises(MissingExtra, match=r"vqspeech\[mini\]"):
        espeak.synthesise("Hello.")


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("link'd", "l ih ng k d"),
        ("faultless", "f ao l t l ah s"),
        ("'tis", "t ih z"),
        ("glinda's", "g l ih n d ah z"),
    ],
)
def test_pronunciation(word, phones):
    assert " ".join(espeak.pronounce(word)) == phones


def test_pronunciations_are_phones_of_the_inventory_without_pauses():
    spoken = {
        phone for word in ("pythagorean", "giaour", "mijx", "chautauqua", "hour") for phone in espeak.pronounce(word)
    }
    assert spoken <= set(PHONES[2:])


def test_a_word_that_cannot_be_spoken():
    with pytest.raises(AlignmentError, match="no pronunciation of '--'.*spell it as it is spoken"):
        espeak.pronounce("--")
