"""The corpus that is made on the spot."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from vqspeech import audio
from vqspeech.data import alignment
from vqspeech.data.corpora import mini
from vqspeech.data.phones import PHONES
from vqspeech.data.split import split
from vqspeech.data.validate import find_faults
from vqspeech.errors import CorpusError, MissingExtra

SAMPLE = [
    one
    for one in mini.list_readings()
    if one.speaker in ("anna", "felix") and one.utterance[-3:] in ("001", "002", "004")
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("mini") / "corpus"
    return folder, mini.make_corpus(folder, SAMPLE)[0]


def test_sentences_are_many_different_and_short():
    texts = mini.read_sentences()
    assert (
        len(texts)
        == len({text.lower() for text in texts})
        == mini.COMMON_SENTENCES + mini.OWN_SENTENCES * len(mini.VOICES)
        >= 200
    )
    assert all(5 <= len(text.split()) <= 14 and text.strip() == text and text.isascii() for text in texts)


def test_every_voice_reads_the_common_sentences_and_its_own():
    read = mini.list_readings()
    by_text = {text: [one.speaker for one in read if one.text == text] for text in mini.read_sentences()}
    assert [len(speakers) for speakers in by_text.values()] == [len(mini.VOICES)] * mini.COMMON_SENTENCES + [
        1
    ] * mini.OWN_SENTENCES * len(mini.VOICES)
    assert all(one.utterance == f"{one.speaker}-{mini.read_sentences().index(one.text) + 1:03d}" for one in read)
    assert len({voice.name for voice in mini.VOICES.values()}) == len(mini.VOICES) >= 8
    assert [voice.gender for voice in mini.VOICES.values()].count("f") == 5


def test_made_corpus_is_a_valid_data_directory(corpus, tmp_path):
    folder, data = corpus
    assert len(data) == 6 and data.speakers == ["anna", "felix"]
    assert all(one.text and one.alignment and one.gender and one.seconds for one in data)
    data.write(tmp_path / "data")
    assert not find_faults(tmp_path / "data")
    assert (folder / "wav/anna/anna-001.wav").is_file() and (folder / "txt/felix/felix-004.txt").is_file()


def test_times_are_contiguous_inside_the_recording_and_of_known_phones(corpus):
    for one in corpus[1]:
        found = alignment.read_alignment(one.alignment, one.id)
        assert found[0].start == 0 and abs(found[-1].end - audio.info(one.path).seconds) < 2e-5
        assert all(abs(a.end - b.start) < 2e-5 for a, b in pairwise(found))
        assert {i.label for i in found} <= set(PHONES)
        assert found[0].label == found[-1].label == "sil"
        assert found[0].end >= 0.2 and found[-1].end - found[-1].start >= 0.2
        assert (alignment.label_frames(found, int(found[-1].end * 50), 50) >= 0).all()


def test_phones_are_those_of_the_text(corpus):
    def labels(name):
        return " ".join(i.label for i in alignment.read_alignment(corpus[1][name].alignment) if i.label != "sil")

    american = "hh iy m eh zh er d dh ah w ih n d ow t w ay s b ih f ao r ao r d er r ih ng n uw k er t ah n z"
    british = "hh iy m eh zh ah d dh ah w ih n d ow t w ay s b ih f ao r ao d ah r ih ng n y uw k er t ah n z"
    assert labels("anna-002") == american
    assert labels("felix-002") == british
    assert labels("anna-001").startswith("dh ah k eh t ah l")


def test_recordings_are_alike_in_level_and_never_digital_silence(corpus):
    for one in corpus[1]:
        wave = audio.read_waveform(one.path)
        assert 0.03 < np.sqrt((wave**2).mean()) < 0.07 and np.abs(wave).max() < 0.99
        assert 1e-4 < np.abs(wave[:2000]).mean() < 1e-3


def test_making_again_skips_and_mends(corpus):
    folder, data = corpus
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*") if path.is_file()}
    lost = folder / "wav/anna/anna-001.wav"
    lost.unlink()
    other = folder / "txt/anna/anna-002.txt"
    other.write_text("Another sentence.\n")
    again, account = mini.make_corpus(folder, SAMPLE)
    assert again == data and account.recordings == 6
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*") if path.is_file()}
    assert {path: content for path, (_, content) in after.items()} == {p: content for p, (_, content) in before.items()}
    touched = {path for path in after if after[path][0] != before[path][0]}
    assert lost in touched and len(touched) == 6


def test_several_processes_make_the_same(corpus, tmp_path):
    few = SAMPLE[:2]
    mini.make_corpus(tmp_path / "m", few, nj=2)
    for one in few:
        path = f"wav/{one.speaker}/{one.utterance}.wav"
        assert (tmp_path / "m" / path).read_bytes() == (corpus[0] / path).read_bytes()


DIGESTS = """
import hashlib, json, sys
from vqspeech.data.corpora import mini

made = {name: mini.synthesise_recording(name, "Some sheep keep to the hedge.") for name in json.loads(sys.argv[1])}
print(json.dumps({name: [hashlib.sha256(wave.tobytes()).hexdigest(), phones] for name, (wave, phones) in made.items()}))
"""


def test_every_voice_is_the_same_in_another_process_order_and_second():
    pytest.importorskip("espeakng_loader")

    def synthesise(order):
        command = [sys.executable, "-c", DIGESTS, json.dumps(order)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    first = synthesise([*mini.VOICES])
    time.sleep(1.1)  # espeak-ng seeds its noise with the second
    second = synthesise([*mini.VOICES][::-1])
    assert [name for name in mini.VOICES if first[name] != second[name]] == []
    assert len({wave for wave, _ in first.values()}) == len(mini.VOICES)


def test_held_out_texts_are_parallel(corpus):
    parts = split(corpus[1], 0, 0.3)
    assert {one.text for one in parts["train"]}.isdisjoint(one.text for one in parts["test"])
    assert len(parts["test"]) == 2 and len({one.text for one in parts["test"]}) == 1


def test_without_espeak_only_what_is_there(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    assert mini.make_corpus(corpus[0], SAMPLE)[0] == corpus[1]
    with pytest.raises(MissingExtra, match="mini"):
        mini.prepare(tmp_path / "new")


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="is a file"):
        mini.prepare(os.fspath(tmp_path / "file"))


def test_every_phoneme_of_the_corpus_has_a_phone():
    pytest.importorskip("espeakng_loader")
    from vqspeech.data.corpora import espeak

    heard = set()
    for name, source in (("en-us+m1", "espeak"), ("en-gb-x-rp+f1", "espeak-gb"), ("en+f1", "espeak-gb")):
        wave, phonemes = espeak.synthesise(" ".join(mini.read_sentences()), name, speed=300)
        heard |= {i.label for i in espeak.time_phones(wave, phonemes, source)}
    assert heard == set(PHONES) - {"spn"}
