"""Alignments of whole data directories, made and found."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import trees
from vqspeech import audio
from vqspeech.data import alignment, corpus_alignment
from vqspeech.data.alignment import Interval, write_ctm, write_textgrid
from vqspeech.data.corpora import espeak, librispeech, mini
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import AlignmentError

TEXTS = {"anna-1": "A warm bath on a cold night.", "anna-2": "She fed Ozma fresh fish.", "bruno-1": "Good night."}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> DataDir:
    """Three sentences, one without a transcript, one of digital silence, and a segment of a longer recording."""
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    folder, utterances = tmp_path_factory.mktemp("spoken"), []
    for name, text in TEXTS.items():
        path = folder / f"{name}.wav"
        audio.write(path, mini.synthesise_recording(name.split("-")[0], text)[0], espeak.RATE)
        utterances.append(Utterance(name, name.split("-")[0], str(path), text=text))
    audio.write(folder / "bruno-2.wav", np.zeros(8000))
    return DataDir(
        [
            *utterances,
            Utterance("bruno-2", "bruno", str(folder / "bruno-2.wav"), text="Silence."),
            replace(utterances[2], id="bruno-3", text=None),
            replace(utterances[0], id="anna-3", start=0.05, end=audio.info(utterances[0].path).seconds - 0.05),
        ]
    )


@pytest.fixture(scope="module")
def aligned(spoken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("aligned")
    return folder, *corpus_alignment.align_utterances(spoken, folder)


def test_alignments_are_made_and_what_has_none_is_counted(spoken, aligned):
    folder, data, coverage = aligned
    assert list(data.utterances) == list(spoken.utterances)
    assert coverage.aligned == ["anna-1", "anna-2", "anna-3", "bruno-1"]
    assert "no transcript" in coverage.skipped.reasons["bruno-3"] and "zero" in coverage.skipped.reasons["bruno-2"]
    assert [one.id for one in data if one.alignment is None] == ["bruno-2", "bruno-3"]
    assert data["anna-2"].alignment == str(folder / "anna" / "anna-2.TextGrid")
    assert [w.label for w in alignment.read_words(data["anna-2"].alignment)] == ["she", "fed", "ozma", "fresh", "fish"]
    assert coverage.oov_words == {"ozma": 1} and not coverage.unknown and not coverage.other_words
    assert coverage.labelled == pytest.approx(coverage.seconds, abs=1e-3) and coverage.new_seconds == coverage.seconds
    text = coverage.summary()
    assert "aligned 4 of 6 utterances" in text and "skipped 2 (bruno-2, bruno-3)" in text and "ozma 1" in text


def test_times_count_from_the_start_of_the_segment(aligned):
    whole, part = (alignment.read_words(aligned[1][name].alignment) for name in ("anna-1", "anna-3"))
    assert [one.start - 0.05 for one in whole] == pytest.approx([one.start for one in part], abs=0.021)


def test_it_resumes(spoken, aligned, tmp_path):
    folder, data, coverage = aligned
    before = {path: path.read_bytes() for path in folder.rglob("*.TextGrid")}
    again, kept = corpus_alignment.align_utterances(spoken, folder)
    assert again == data and kept.aligned == coverage.aligned and kept.new_seconds == 0 and not kept.oov_words
    assert {path: path.read_bytes() for path in folder.rglob("*.TextGrid")} == before
    first = folder / "anna" / "anna-1.TextGrid"
    for spoil in (
        lambda: first.write_bytes(before[first][:800]),
        lambda: os.utime(first, (0, 0)),
        lambda: first.write_text(before[first].decode().replace('"warm"', '"cold"')),
        lambda: write_textgrid(first, {"words": alignment.read_words(first), "phones": [Interval(0, 9, "sil")]}),
    ):
        spoil()
        mended = corpus_alignment.align_utterances(spoken, folder)[1]
        assert first.read_bytes() == before[first] and 0 < mended.new_seconds < 5


def test_processes_change_nothing(spoken, aligned, tmp_path):
    data, coverage = corpus_alignment.align_utterances(spoken, tmp_path, nj=2)
    assert coverage.aligned == aligned[2].aligned
    for one in data:
        other = aligned[1][one.id].alignment
        assert other is None if one.alignment is None else Path(other).read_text() == Path(one.alignment).read_text()


@pytest.fixture
def libri(tmp_path) -> DataDir:
    """Six utterances of half a second that say "HE HOPED"."""
    return librispeech.prepare(trees.librispeech(tmp_path / "LibriSpeech"))[0]


def mfa(path, words=("he", "hoped"), end=0.5, phones=("HH", "IY1", "HH", "OW1", "P", "T")):
    """A TextGrid as in MFA's release for LibriSpeech."""
    at = np.linspace(0.05, end - 0.05, len(phones) + 1).tolist()
    spans = np.linspace(0.05, end - 0.05, len(words) + 1).tolist()
    path.parent.mkdir(parents=True, exist_ok=True)
    tiers = {
        "words": [Interval(spans[i], spans[i + 1], word) for i, word in enumerate(words)],
        "phones": [Interval(at[i], at[i + 1], phone) for i, phone in enumerate(phones)],
    }
    write_textgrid(path, tiers, end)
    return path


def test_mfas_release_is_found(libri, tmp_path):
    root = tmp_path / "mfa"
    for one in libri:
        speaker, chapter, _ = one.id.split("-")
        mfa(root / "some-clean" / speaker / chapter / f"{one.id}.TextGrid")
    (root / "unaligned.txt").write_text("nothing\n")
    data, coverage = corpus_alignment.import_alignments(libri, root)
    assert coverage.aligned == list(libri.utterances) and not coverage.skipped.reasons
    assert data["121-121726-0000"].alignment == str(root / "some-clean/121/121726/121-121726-0000.TextGrid")
    assert not coverage.other_words and not coverage.unknown and not coverage.doubtful
    assert coverage.seconds == pytest.approx(3) and coverage.labelled == pytest.approx(3)


def test_what_is_wrong_with_found_alignments_is_counted(libri, tmp_path):
    names = list(libri.utterances)
    for name in names[1:]:
        mfa(tmp_path / "mfa" / f"{name}.TextGrid")
    mfa(tmp_path / "mfa" / f"{names[1]}.TextGrid", end=2.0)
    mfa(tmp_path / "mfa" / f"{names[2]}.TextGrid", words=("<unk>", "hoped"), phones=("spn", "QQ", "QQ"))
    mfa(tmp_path / "mfa" / f"{names[3]}.TextGrid", words=("she", "hoped"))
    (tmp_path / "mfa" / f"{names[4]}.TextGrid").write_text("rubbish")
    data, coverage = corpus_alignment.import_alignments(libri, tmp_path / "mfa")
    assert [one.id for one in data if one.alignment] == coverage.aligned == [names[2], names[3], names[5]]
    reasons = coverage.skipped.reasons
    assert "no alignment file" in reasons[names[0]] and "after the end" in reasons[names[1]]
    assert "not a TextGrid" in reasons[names[4]]
    assert coverage.unknown == {"QQ": 2} and coverage.other_words == [names[3]]
    assert coverage.labelled == pytest.approx(1.5 - 0.4 * 2 / 3, abs=1e-4)


def test_files_are_told_apart_by_folder_and_format(tmp_path):
    paths = [trees.tone(tmp_path / "own" / speaker / "a.wav") for speaker in ("me", "you")]
    data = DataDir([Utterance(f"{path.parent.name}-a", path.parent.name, str(path), text="He") for path in paths])
    grids = [mfa(tmp_path / "grids" / path.parent.name / "a.TextGrid", words=("he",)) for path in paths]
    (tmp_path / "grids" / "me" / "a.lab").write_text("he\n")  # MFA's transcripts have this ending too
    assert [one.alignment for one in corpus_alignment.import_alignments(data, tmp_path / "grids")[0]] == [
        str(path) for path in grids
    ]
    mfa(tmp_path / "grids" / "you" / "more" / "a.TextGrid")
    coverage = corpus_alignment.import_alignments(data, tmp_path / "grids")[1]
    assert coverage.aligned == ["me-a"] and "several alignments" in coverage.skipped.reasons["you-a"]


def spoken_by(tmp_path, *recordings) -> DataDir:
    """Recordings, `SPEAKER/.../NAME.wav`, as `vqspeech prepare folder` names them."""
    utterances = []
    for name in recordings:
        path, (speaker, *rest) = trees.tone(tmp_path / "corpus" / f"{name}.wav"), name.split("/")
        utterances.append(Utterance("-".join([speaker, *rest]), speaker, str(path), seconds=0.5))
    return DataDir(utterances)


def phn(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("0 4000 h#\n4000 8000 aa\n")
    return path


@pytest.mark.parametrize(
    ("recordings", "files", "whose"),
    [
        # In a folder of the speaker, or where there is no folder.
        (["anna/1", "bruno/1"], ["bruno/1"], {"bruno-1": "bruno/1"}),
        (["anna/1", "bruno/1"], ["more/anna/1", "bruno/x/1"], {"anna-1": "more/anna/1", "bruno-1": "bruno/x/1"}),
        (["anna/1", "bruno/2"], ["1", "2"], {"anna-1": "1", "bruno-2": "2"}),
        (["anna/1", "bruno/1"], ["1"], {}),
        (["anna/1"], ["bruno/1"], {}),  # bruno is not among the data
        (["anna/1", "bruno/2"], ["bruno/1"], {}),
        # By the id, too, a file in the folder of another speaker is that of the other.
        (["anna/1", "bruno/anna-1"], ["bruno/anna-1"], {"bruno-anna-1": "bruno/anna-1"}),
        (["anna/1", "bruno/anna-1"], ["bruno/anna-1", "anna/1"], {"bruno-anna-1": "bruno/anna-1", "anna-1": "anna/1"}),
        (["anna/1", "bruno/anna-1"], ["anna-1"], {"anna-1": "anna-1"}),
        (["anna/1", "bruno/1"], ["grids/anna-1", "bruno-1"], {"anna-1": "grids/anna-1", "bruno-1": "bruno-1"}),
        # Folders that are sessions: the one that is the recording's.
        (["anna/a/1", "anna/b/1"], ["anna/a/1"], {"anna-a-1": "anna/a/1"}),
        (["anna/a/1", "anna/b/1"], ["anna/1"], {}),
        (["anna/wav/1", "bruno/wav/1"], ["anna/lab/1"], {"anna-wav-1": "anna/lab/1"}),
        (["anna/bruno/1", "bruno/1"], ["anna/bruno/1"], {"anna-bruno-1": "anna/bruno/1"}),
        # Letter case counts where it tells files apart.
        (["anna/A", "bruno/B"], ["ANNA/a", "bruno/B"], {"anna-A": "ANNA/a", "bruno-B": "bruno/B"}),
        (["anna/A", "anna/a"], ["anna/a"], {"anna-a": "anna/a"}),
        (["anna/A", "bruno/a"], ["a"], {"bruno-a": "a"}),
    ],
)
def test_no_file_is_taken_for_that_of_another(tmp_path, recordings, files, whose):
    data = spoken_by(tmp_path, *recordings)
    for name in files:
        phn(tmp_path / "ali" / f"{name}.phn")
    expected = {name: str(tmp_path / "ali" / f"{path}.phn") for name, path in whose.items()}
    if whose:
        aligned, coverage = corpus_alignment.import_alignments(data, tmp_path / "ali")
        assert {one.id: one.alignment for one in aligned if one.alignment} == expected
        assert set(coverage.skipped.reasons) == {one.id for one in data} - set(whose)
    else:
        with pytest.raises(AlignmentError, match="no alignment of any of"):
            corpus_alignment.import_alignments(data, tmp_path / "ali")


def test_the_folder_that_is_looked_through_may_be_that_of_a_speaker(tmp_path, messages):
    data = spoken_by(tmp_path, "anna/1", "bruno/1")
    path = phn(tmp_path / "bruno" / "1.phn")
    aligned, coverage = corpus_alignment.import_alignments(data, tmp_path / "bruno")
    assert {one.id: one.alignment for one in aligned} == {"anna-1": None, "bruno-1": str(path)}
    assert "1.phn is in the folder of speaker bruno; name its own" in coverage.skipped.reasons["anna-1"]
    assert "skipped anna-1: no alignment of this utterance" in messages()


def test_a_recording_outside_of_its_speakers_folder(tmp_path):
    path = trees.tone(tmp_path / "wavs" / "7.wav")
    data = DataDir([Utterance("anna-7", "anna", str(path), seconds=0.5)])
    assert corpus_alignment.import_alignments(data, phn(tmp_path / "ali" / "phones" / "7.phn").parents[1])[
        1
    ].aligned == ["anna-7"]


def test_a_copy_of_a_recording_has_the_alignment_of_its_name(tmp_path):
    data = DataDir([Utterance("s-SA1", "s", str(trees.tone(tmp_path / "s" / "SA1.WAV.wav")), seconds=0.5)])
    assert corpus_alignment.import_alignments(data, phn(tmp_path / "s" / "SA1.PHN").parent)[0]["s-SA1"].alignment


@pytest.mark.parametrize("kind", ["ctm", "TextGrid"])
def test_of_several_files_the_one_with_phones_is_taken(libri, tmp_path, kind):
    for name in libri.utterances:
        for label, path in (("AH0", "phones"), ("hello", "words"), ("a", "a")):
            spans = [Interval(0, 0.25, label), Interval(0.25, 0.5, "b" if label == "AH0" else "world")]
            if kind == "ctm":
                (tmp_path / "one").mkdir(exist_ok=True)
                write_ctm(tmp_path / "one" / "x.ctm", name, spans)
                with open(tmp_path / f"{path}.ctm", "a") as file:
                    file.write((tmp_path / "one" / "x.ctm").read_text())
                (tmp_path / "one" / "x.ctm").unlink()
            else:
                write_textgrid(tmp_path / path / f"{name}.TextGrid", {path: spans}, 0.5)
    (tmp_path / "a").mkdir(exist_ok=True)
    for path in (tmp_path / "a.ctm", *(tmp_path / "a").iterdir()):
        path.unlink(missing_ok=True)
    data, coverage = corpus_alignment.import_alignments(libri, tmp_path)
    assert len(coverage.aligned) == 6 and all("phones" in (one.alignment or "") for one in data)


def test_phones_of_a_grid_whose_words_and_scores_are_damaged(libri, tmp_path):
    for name in libri.utterances:
        path = mfa(tmp_path / f"{name}.TextGrid")
        tiers = {
            "phones": alignment.read_alignment(path),
            "words": alignment.read_words(path),
            "scores": [Interval(0, 1, "good")],
        }
        write_textgrid(path, tiers, 0.5)
        path.write_text(path.read_text().replace('"hoped"', '"hoped'))
    coverage = corpus_alignment.import_alignments(libri, tmp_path)[1]
    assert len(coverage.aligned) == 6 and not coverage.skipped.reasons


def test_times_of_another_unit_are_doubted(libri, tmp_path):
    for name in libri.utterances:
        mfa(tmp_path / f"{name}.TextGrid", end=0.2)
    coverage = corpus_alignment.import_alignments(libri, tmp_path)[1]
    assert set(coverage.doubtful.values()) == {"its labels end at 0.20 s, it lasts 0.50 s"}


def test_speech_without_known_phones_is_said(libri, tmp_path):
    for name in libri.utterances:
        mfa(tmp_path / f"{name}.TextGrid", phones=("he", "hoped", "AA1"))
    coverage = corpus_alignment.import_alignments(libri, tmp_path)[1]
    assert "67% of what is labelled as speech has no known phone" in coverage.summary()


def test_a_ctm_of_many_utterances(libri, tmp_path):
    for name in list(libri.utterances)[:2]:
        write_ctm(tmp_path / "one.ctm", name, [Interval(0, 0.25, "sil"), Interval(0.25, 0.5, "AA1")])
        with open(tmp_path / "all.ctm", "a") as file:
            file.write((tmp_path / "one.ctm").read_text())
    data, coverage = corpus_alignment.import_alignments(libri, tmp_path / "all.ctm")
    assert len(coverage.aligned) == 2 and data[coverage.aligned[1]].alignment == str(tmp_path / "all.ctm")


def test_nothing_found(libri, tmp_path):
    with pytest.raises(AlignmentError, match=r"below it; .* such as 1089-134686-0000.TextGrid"):
        corpus_alignment.import_alignments(libri, tmp_path)
    with pytest.raises(AlignmentError, match="no such folder; give the folder of the alignments"):
        corpus_alignment.import_alignments(libri, tmp_path / "nowhere")
