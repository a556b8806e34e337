"""What the page does with recordings, without a browser."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from textgrid import TextGrid

import vqspeech
from tests.conftest import buzz
from tests.models.live.small import live_model
from vqspeech import audio, pretrained
from vqspeech.data.units import read_units
from vqspeech.errors import AudioError, CheckpointError, ConfigError, OutputError, SpeakerError
from vqspeech.page.studio import Studio
from vqspeech.progress import Work
from vqspeech.sampling import RANDOM


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio that takes 5 s, with uploads: a.wav (1.5 s), voice.wav (3 s), long.wav (5.1 s)."""
    folder = tmp_path / "with blank"
    (folder / "1f2e").mkdir(parents=True)
    for name, seconds, f0 in (("a", 1.5, 120), ("voice", 3, 210), ("long", 5.1, 120)):
        soundfile.write(folder / "1f2e" / f"{name}.wav", buzz(seconds, f0), audio.RATE)
    return Studio(folder, pretrained.find_checkpoint("voice"), "voice", 5)


def upload(studio: Studio, name: str) -> str:
    return str(studio.folder / "1f2e" / name)


def test_a_conversion_is_that_of_the_library(studio):
    source = upload(studio, "a.wav")
    told = []
    found = studio.convert(source, "p225", None, 2.0, False, 0.9, told.append)
    wanted = vqspeech.convert(source, speaker="p225", pitch=2.0, formant=0.9)
    assert np.abs(audio.read_waveform(found.conversion) - wanted).max() < 1e-4
    assert np.abs(audio.read_waveform(found.recording) - audio.read_waveform(source)).max() < 1e-4
    assert found.conversion.name == "a.p225.wav" and not found.doubt
    assert found.spectrograms.read_bytes()[:4] == b"\x89PNG"
    assert {work.what for work in told} >= {"encoding", "decoding"}
    assert all(studio.folder in path.parents for path in found[:3])


def test_a_voice_of_a_recording(studio):
    source, like = upload(studio, "a.wav"), upload(studio, "voice.wav")
    found = studio.convert(source, None, like)
    wanted = vqspeech.convert(source, like=like)
    assert np.abs(audio.read_waveform(found.conversion) - wanted).max() < 1e-4
    assert found.conversion.name == "a.voice.wav"


def test_two_conversions_have_files_of_their_own(studio):
    first, second = (studio.convert(upload(studio, "a.wav"), name, None) for name in ("p225", "p226"))
    assert first.recording != second.recording and first.spectrograms != second.spectrograms


def test_units_are_those_of_the_library(studio):
    source = upload(studio, "a.wav")
    found = studio.encode(source, "units")
    units_file, side, grid = found.files
    codes, units = vqspeech.units(source), read_units(units_file)
    assert units.codes["a"].tolist() == codes.tolist()
    assert (units.rate, units.size, units.model) == (25, 128, "units") and side.name == "a.units.txt.json"
    (tier,) = TextGrid.fromFile(str(grid))
    runs = [str(code) for code, before in zip(codes, [-1, *codes[:-1]], strict=True) if code != before]
    assert tier.name == "codes" and [one.mark for one in tier] == runs and tier.maxTime == pytest.approx(1.5)
    assert "1.5 s: 38 codes, 25 a second" in found.summary
    assert f"{len(set(codes.tolist()))} of 128 codes used" in found.summary


def test_names_become_names_of_files(studio):
    odd = studio.folder / "1f2e" / "my voice, $x.wav"
    odd.write_bytes(Path(upload(studio, "a.wav")).read_bytes())
    assert list(read_units(studio.encode(str(odd), "units-small").files[0]).codes) == ["my_voice_x"]
    assert studio.convert(str(odd), "p225", None).conversion.name == "my voice, $x.p225.wav"


def test_samples_from_recordings(studio):
    learn = [upload(studio, "a.wav"), upload(studio, "voice.wav")]
    first, again, other = (studio.sample(1.0, "p225", seed=seed, learn=learn) for seed in (3, 3, 4))
    sounds = [audio.read_waveform(one.speech) for one in (first, again, other)]
    assert len(sounds[0]) == audio.RATE and np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])
    assert first.speech.name == "sample-3.p225.wav" and first.picture.is_file()
    assert studio.sample(0.5, RANDOM, learn=learn).speech.is_file()


def test_a_live_model_converts_and_has_no_codes(tmp_path):
    live_model().save_pretrained(tmp_path / "live.safetensors")
    (tmp_path / "up").mkdir()
    soundfile.write(tmp_path / "up" / "a.wav", buzz(1, 120), audio.RATE)
    studio = Studio(tmp_path / "up", tmp_path / "live.safetensors", "mine", 5)
    assert "mine" not in studio.coders and studio.is_live
    found = studio.convert(str(tmp_path / "up" / "a.wav"), "a", None)
    assert len(audio.read_waveform(found.conversion)) == audio.RATE


def test_voices_say_what_is_known_of_them(studio, monkeypatch, tmp_path):
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path / "voices"))
    studio.model.make_voice([buzz(3, 210)], "me").save(tmp_path / "voices" / "me.safetensors")
    names = {name: shown for shown, name in studio.list_voices()}
    assert names["p225"] == "p225 (f, 172 Hz)" and names["me"].startswith("me (") and "yours" in names["me"]
    assert studio.convert(upload(studio, "a.wav"), "me", None).conversion.name == "a.me.wav"
    assert "me" not in [name for _, name in studio.list_voices(own=False)]


def test_models_without_voices_of_recordings(tmp_path):
    studio = Studio(tmp_path, pretrained.find_checkpoint("world"), "world", 5)
    assert not studio.takes_recordings and set(studio.coders) == set(pretrained.list_models())
    path = tmp_path / "w.safetensors"
    path.write_bytes(pretrained.find_checkpoint("units-small").read_bytes())
    with pytest.raises(CheckpointError, match="without decoder"):
        Studio(tmp_path, path, "w", 5)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (None, AudioError, "give a recording: drop a sound file"),
        ("long.wav", AudioError, "long.wav: is longer than 5 s"),
        ("nothing.wav", AudioError, "nothing.wav"),
        ("/etc/passwd", AudioError, "not a recording that was uploaded"),
        ("../../outside.wav", AudioError, "not a recording that was uploaded"),
    ],
)
def test_mistakes(studio, name, error, text):
    soundfile.write(studio.folder.parent / "outside.wav", buzz(1, 120), audio.RATE)
    place = None if name is None else upload(studio, name) if not name.startswith("/") else name
    for work in (
        lambda: studio.convert(place, "p225", None),
        lambda: studio.encode(place, "units"),
        lambda: studio.sample(1.0, "p225", learn=[place]),
    ):
        with pytest.raises(error, match=text) as raised:
            work()
        assert str(studio.folder) not in studio.hide_paths(str(raised.value))


def test_other_mistakes(studio):
    source = upload(studio, "a.wav")
    with pytest.raises(SpeakerError, match="no voice 'nobody'"):
        studio.convert(source, "nobody", None)
    with pytest.raises(AudioError, match="give a recording of the voice"):
        studio.convert(source, None, None)
    with pytest.raises(ConfigError, match="no model '/etc/x'; choose one of voice, "):
        studio.encode(source, "/etc/x")
    with pytest.raises(AudioError, match="21 recordings; give 20 at most"):
        studio.sample(1.0, "p225", learn=[source] * 21)
    with pytest.raises(AudioError, match="give recordings to learn from"):
        studio.sample(1.0, "p225")


def test_no_more_is_read_than_allowed(studio, monkeypatch):
    """A file of hours costs the seconds that are allowed."""
    soundfile.write(studio.folder / "hours.flac", np.zeros(600 * audio.RATE, np.float32) + 0.1, audio.RATE)
    read, blocks = [], audio.read_audible_blocks
    monkeypatch.setattr(
        audio, "read_audible_blocks", lambda *a: (read.append(len(block)) or block for block in blocks(*a))
    )
    with pytest.raises(AudioError, match="longer than 5 s"):
        studio.encode(str(studio.folder / "hours.flac"), "units")
    assert math.isclose(sum(read), 6 * audio.RATE, rel_tol=0.01)


def test_work_ends_with_the_page(studio):
    """It writes nothing after `close` has returned: the folder is then removed."""
    started, going_on, errors = threading.Event(), threading.Event(), []

    def listen(work: Work) -> None:
        started.set()
        going_on.wait(60)

    def work() -> None:
        try:
            studio.convert(upload(studio, "a.wav"), "p225", None, progress=listen)
        except OutputError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(60)
    closing = threading.Thread(target=studio.close)
    closing.start()
    closing.join(0.5)
    assert closing.is_alive()
    going_on.set()
    closing.join(60)
    there = [*studio.folder.rglob("*")]
    thread.join(60)
    assert [*studio.folder.rglob("*")] == there
    assert errors == ["the page has ended; start it again"]
    with pytest.raises(OutputError, match="the page has ended"):
        studio.encode(upload(studio, "a.wav"), "units")


def test_messages_name_files_not_places(studio):
    place = upload(studio, "my file.wav")
    assert studio.hide_paths(f"{place}: silent; see {place}") == "my file.wav: silent; see my file.wav"
    assert studio.hide_paths(f"{studio.path}: damaged") == "voice.safetensors: damaged"
