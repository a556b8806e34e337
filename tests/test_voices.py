import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vqspeech.errors import CheckpointError, SpeakerError
from vqspeech.models import checkpoint
from vqspeech.voices import Voice, read_voices, voice_folder, voice_path

ANNA = Voice("anna", np.arange(8, dtype=np.float32), (5.1, 0.12), "abc", 12.5)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path / "voices"))


def test_a_voice_comes_back_as_it_was():
    path = voice_path("anna")
    ANNA.save(path)
    again = Voice.load(path)
    assert np.array_equal(again.vector, ANNA.vector) and again.pitch == ANNA.pitch and again.model == "abc"
    assert (again.name, again.seconds, again.exemplars) == ("anna", 12.5, None) and path.stat().st_size < 4000


def test_exemplars_come_back_as_they_were():
    exemplars = np.linspace(-3, 3, 24, dtype=np.float16).reshape(3, 8)
    replace(ANNA, exemplars=exemplars, codebook="def").save(voice_path("anna"))
    again = Voice.load(voice_path("anna"))
    assert again.exemplars is not None and again.exemplars.dtype == np.float16
    assert np.array_equal(again.exemplars, exemplars)
    assert again.codebook == "def"
    for damaged in (exemplars[0], exemplars[:0]):
        replace(ANNA, exemplars=damaged).save(voice_path("bad"))
        with pytest.raises(CheckpointError, match="no latents"):
            Voice.load(voice_path("bad"))


def test_recordings_of_two_speakers_are_doubted():
    assert not ANNA.doubt
    mixed = Voice(ANNA.name, ANNA.vector, ANNA.pitch, ANNA.model, ANNA.seconds, 0.21)
    assert "different speakers (0.21 alike" in mixed.doubt
    mixed.save(voice_path("mixed"))
    assert Voice.load(voice_path("mixed")).agreement == 0.21


def test_saved_voices_are_listed_the_damaged_ones_as_errors():
    assert list(read_voices()) == []
    ANNA.save(voice_path("anna"))
    voice_path("bad").write_bytes(b"nothing")
    checkpoint.write(voice_path("model"), {"x": torch.zeros(2)}, {"config": {}})
    checkpoint.write(
        voice_path("shape"),
        {"vector": torch.ones(8, 2), "pitch": torch.zeros(2)},
        {"kind": "voice", "name": "shape", "model": "abc", "seconds": 1},
    )
    found = list(read_voices())
    assert [type(one) for one in found] == [Voice, *3 * [CheckpointError]]
    with pytest.raises(CheckpointError, match="is not a voice"):
        Voice.load(voice_path("model"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "c:", "x\n", " x", "x.", "nul\0"])
def test_names_that_are_no_file_names(name):
    with pytest.raises(SpeakerError, match="cannot be the name"):
        voice_path(name)
    assert voice_path("Zoë-1.2").parent == voice_folder()


@pytest.mark.parametrize(
    ("system", "variable", "rest"),
    [
        ("linux", "XDG_DATA_HOME", "vqspeech/voices"),
        ("win32", "LOCALAPPDATA", "vqspeech/voices"),
        ("darwin", "HOME", "Library/Application Support/vqspeech/voices"),
    ],
)
def test_the_place_for_data_of_each_system(monkeypatch, tmp_path, system, variable, rest):
    monkeypatch.delenv("VQSPEECH_VOICES")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv(variable, str(tmp_path))
    assert voice_folder() == Path(os.path.join(tmp_path, rest))
