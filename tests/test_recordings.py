"""One line of Python from a sound file to a conversion or to units."""

import inspect
import typing
from pathlib import Path

import numpy as np
import pytest
import soundfile

import vqspeech
from tests.conftest import buzz
from vqspeech import VQVAE, audio, pretrained, recordings
from vqspeech.errors import AudioError, ConfigError, SpeakerError
from vqspeech.models.coder import Coder


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Return a source at 22.05 kHz and a voice of ten seconds."""
    folder = tmp_path_factory.mktemp("recordings")
    made = {"source": (1.5, 120, 22_050), "voice": (10.0, 210, 16_000)}
    for name, (seconds, f0, rate) in made.items():
        soundfile.write(folder / f"{name}.wav", buzz(seconds * rate / audio.RATE, f0), rate)
    return {name: folder / f"{name}.wav" for name in made}


def test_a_conversion_is_that_of_the_model(files, tmp_path):
    out = tmp_path / "c.flac"
    told = []
    wave = vqspeech.convert(files["source"], like=str(files["voice"]), out=out, pitch=2.0, progress=told.append)
    model = VQVAE.from_pretrained()
    source, voice = (audio.read_waveform(files[name]) for name in ("source", "voice"))
    assert np.array_equal(wave, model.convert(source, model.make_voice([voice]), shift=2.0))
    assert np.abs(audio.read_waveform(out) - wave).max() < 1e-4
    assert {work.what for work in told} >= {"encoding", "decoding"} and all(work.finished for work in told)
    several = vqspeech.convert(files["source"], like=[files["voice"], files["voice"]], pitch=2.0)
    assert len(several) == len(wave)


def test_a_voice_by_its_name(files):
    wave = vqspeech.convert(files["source"], speaker="p225")
    assert np.array_equal(wave, VQVAE.from_pretrained().convert(audio.read_waveform(files["source"]), "p225"))


def test_units_are_those_of_the_model(files):
    codes = vqspeech.units(files["source"])
    assert codes.dtype == np.int64 and len(codes) == 38
    assert np.array_equal(codes, Coder.from_pretrained("units").encode(audio.read_waveform(files["source"])))
    small = vqspeech.units(files["source"], model=pretrained.list_models()["units-small"])
    assert not np.array_equal(small, codes)


def test_a_model_is_read_once_unless_its_file_changes(files, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_bytes(pretrained.list_models()["units-small"].read_bytes())
    read, load = [], Coder.from_pretrained
    monkeypatch.setattr(recordings.Coder, "from_pretrained", lambda path: read.append(path) or load(path))
    for _ in range(2):
        vqspeech.units(files["source"], path)
    assert len(read) == 1
    path.touch()
    vqspeech.units(files["source"], path)
    assert len(read) == 2


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ConfigError, "give one target voice"),
        ({"like": "a.wav", "speaker": "p225"}, ConfigError, "give one target voice"),
        ({"like": "nowhere.wav"}, AudioError, "nowhere.wav"),
        ({"like": []}, AudioError, "0.0 s in 0 recordings"),
        ({"speaker": "p999"}, SpeakerError, "no voice 'p999'"),
        ({"speaker": "p225", "out": "a.txt"}, AudioError, "a.txt"),
    ],
)
def test_mistakes(options, error, text, files):
    with pytest.raises(error, match=text):
        vqspeech.convert(files["source"], **options)


def test_hints_of_what_the_package_offers_are_complete():
    assert (Path(vqspeech.__file__).parent / "py.typed").is_file()
    assert set(vqspeech.__all__) <= set(dir(vqspeech))
    for name in ("convert", "units"):
        function = getattr(vqspeech, name)
        assert typing.get_type_hints(function).keys() == {*inspect.signature(function).parameters, "return"}
