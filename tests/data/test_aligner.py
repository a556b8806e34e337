"""The aligner, on synthetic sentences with exact phone times and on recordings."""

from itertools import pairwise

import numpy as np
import pytest
import soxr

from vqspeech import audio
from vqspeech.data.aligner import Aligner, _to_utterance, _Word, find_doubt
from vqspeech.data.alignment import Interval
from vqspeech.data.corpora import espeak, mini
from vqspeech.data.phones import PHONES
from vqspeech.errors import AlignmentError, MissingExtra
from vqspeech.metrics.evaluations.alignment import compare_alignments

pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

TEXT = "The two of them walked along the river for 12 hours, and didn't say a word."


@pytest.fixture(scope="module")
def aligner():
    return Aligner()


@pytest.fixture(scope="module")
def spoken():
    wave, phones = mini.synthesise_recording("anna", TEXT)
    return soxr.resample(wave, espeak.RATE, audio.RATE), phones


def test_words_and_phones_of_a_sentence(aligner, spoken):
    wave, exact = spoken
    found = aligner.align(wave, TEXT)
    said = "the two of them walked along the river for twelve hours and didn't say a word"
    assert " ".join(word.label for word in found.words) == said
    assert not found.oov_words and not found.wide_beams
    assert found.phones[0].start == 0 and found.phones[-1].end == len(wave) / audio.RATE
    assert all(a.end == b.start for a, b in pairwise(found.phones))
    assert {phone.label for phone in found.phones} <= set(PHONES)
    assert not any(a.label == b.label == "sil" for a, b in pairwise(found.phones))
    edges = {phone.start for phone in found.phones} | {found.phones[-1].end}
    assert {time for word in found.words for time in word[:2]} <= edges
    assert [word[:2] for word in found.words] == [score[:2] for score in found.scores]
    errors = 1000 * compare_alignments(found.phones, exact).errors
    assert np.isfinite(errors).mean() > 0.85
    assert np.nanmedian(np.abs(errors)) < 12 and abs(np.nanmedian(errors)) < 6


def test_words_of_no_dictionary_are_derived_each_time(aligner):
    wave = soxr.resample(mini.synthesise_recording("bruno", "Ozma and Glinda's munchkins.")[0], espeak.RATE, audio.RATE)
    first, again = (aligner.align(wave, "Ozma and Glinda's munchkins.") for _ in range(2))
    assert first == again and first.oov_words == ["ozma", "glinda's", "munchkins"]
    assert [word.label for word in first.words] == ["ozma", "and", "glinda's", "munchkins"]


def test_quoted_words_are_in_the_dictionary(aligner, spoken):
    found = aligner.align(spoken[0], TEXT.replace("walked", "'walked'"))
    assert found.phones == aligner.align(spoken[0], TEXT).phones
    assert not found.oov_words and found.words[4].label == "'walked'"


def test_pauses_that_touch_are_one_and_noise_is_spoken_noise():
    words = [("<sil>", 3, "SIL"), ("<sil>", 2, "SIL"), ("a(2)", 4, "EY"), ("[NOISE]", 3, "+NSN+"), ("<sil>", 3, "SIL")]
    at, found = 0, []
    for name, frames, phone in words:
        found.append(_Word(name, at, frames, -40, [(phone, at, frames)]))
        at += frames
    one = _to_utterance(found, ["a"], 0.16, [], False)
    times = [0, 0.05 + 0.0078125, 0.09 + 0.0078125, 0.12 + 0.0078125, 0.16]
    assert [phone.label for phone in one.phones] == ["sil", "ey", "spn", "sil"]
    assert [phone.start for phone in one.phones] == pytest.approx(times[:-1]) and one.phones[-1].end == 0.16
    assert one.words == [(one.phones[1].start, one.phones[1].end, "a")]
    # A mean of -10 a frame, in 1024ths of the logarithm to the base 1.0001.
    assert float(one.scores[0].label) == pytest.approx(-10 * 1024 * np.log(1.0001), abs=0.005)


def test_a_search_that_loses_a_word_has_found_nothing(aligner, spoken, monkeypatch):
    class Losing:
        def __getattr__(self, name):
            return lambda *_, **__: [] if name == "get_alignment" else True

    monkeypatch.setattr(aligner, "_narrow", Losing())
    assert aligner.align(spoken[0], TEXT).wide_beams


def test_without_espeak_a_word_of_no_dictionary_is_an_error(aligner, spoken, monkeypatch):
    def missing(*_):
        raise MissingExtra("espeakng_loader", "mini")

    monkeypatch.setattr(espeak, "locate_library", missing)
    with pytest.raises(MissingExtra, match="espeakng_loader is not installed"):
        aligner.align(spoken[0], "quixotically zzyzx")
    assert len(aligner.align(spoken[0], TEXT).words) == 16


def test_another_transcript_is_doubtful_or_an_error(aligner, spoken):
    assert find_doubt(aligner.align(spoken[0], TEXT).scores) is None
    try:
        why = find_doubt(aligner.align(spoken[0], "She had your dark suit in greasy wash water all year.").scores)
    except AlignmentError as error:
        why = str(error)
    assert why


def test_doubt():
    good = [Interval(0.0, 1.0, "-1.00"), Interval(1.0, 2.0, "-2.00")]
    assert find_doubt(good) is None
    assert find_doubt([]) == "no words"
    assert find_doubt([*good, Interval(2.0, 2.1, "-8.50")]) == "the word at 2.00 s scores -8.5"
    # The mean is over time: a long bad word outweighs short good ones.
    assert find_doubt([*good, Interval(2.0, 6.0, "-3.50")]) == "its words score -2.8 on average"


@pytest.mark.parametrize(
    ("seconds", "transcript", "message"),
    [
        (1.0, "", "no transcript"),
        (1.0, "... -- '", "no transcript"),
        (0.01, "hello", "the 1 words of its transcript cannot be found in it"),
        (0.3, "the quick brown fox jumps over the lazy dog " * 3, "cannot be found in it; is it the transcript of"),
    ],
)
def test_what_cannot_be_aligned_is_named_and_harms_nothing(aligner, spoken, seconds, transcript, message):
    wave = spoken[0][: round(seconds * audio.RATE)]
    with pytest.raises(AlignmentError, match=message):
        aligner.align(wave, transcript)
    assert aligner.align(spoken[0], TEXT) == Aligner().align(spoken[0], TEXT)


def test_a_second_try_with_wide_beams_finds_what_the_first_does_not(aligner):
    text = "Last winter was the coldest anyone here can remember."
    wave, exact = mini.synthesise_recording("grace", text)
    found = aligner.align(soxr.resample(wave, espeak.RATE, audio.RATE), text)
    assert found.wide_beams and len(found.words) == 9
    assert np.nanmedian(np.abs(compare_alignments(found.phones, exact).errors)) < 0.015


def test_digital_silence_around_it_is_a_pause(aligner, spoken):
    silence = np.zeros(audio.RATE, dtype=np.float32)
    found = aligner.align(np.concatenate([silence, spoken[0], silence]), TEXT)
    assert found.phones[0].label == found.phones[-1].label == "sil"
    assert found.phones[0].end > 0.9 and found.phones[-1].end - found.phones[-1].start > 0.9


def test_it_does_not_matter_what_was_aligned_before(aligner, corpora):
    folder = corpora / "VCTK-Corpus"
    waves = {
        name: audio.read_waveform(folder / "wav48" / name[:4] / f"{name}.wav") for name in ("p225_001", "p226_003")
    }
    texts = {name: (folder / "txt" / name[:4] / f"{name}.txt").read_text() for name in waves}
    first = Aligner().align(waves["p225_001"], texts["p225_001"])
    aligner.align(waves["p226_003"], texts["p226_003"])
    assert aligner.align(waves["p225_001"], texts["p225_001"]) == first
