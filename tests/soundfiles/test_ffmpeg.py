"""Files that only the program ffmpeg reads."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.errors import AudioError
from vqspeech.soundfiles import ffmpeg

SECONDS = 2.0
KINDS = {
    "m4a": [], "mp4": ["-movflags", "+faststart"], "aac": [], "wma": [], "mka": [], "tta": [], "wv": [], "ac3": [],
    "webm": ["-c:a", "libopus"], "3gp": ["-c:a", "aac", "-ar", "8000"], "ts": [], "avi": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Makes a file of two seconds of a voice, with pictures for the video kinds."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    folder = tmp_path_factory.mktemp("ffmpeg")
    soundfile.write(folder / "voice.wav", buzz(SECONDS, 120), audio.RATE)

    def make(ending: str, name: str = "voice") -> Path:
        path = folder / f"{name}.{ending}"
        if not path.is_file():
            pictures = ["-f", "lavfi", "-i", "color=s=32x32:r=5:d=3"] if ending in ("avi", "ts", "mkv") else []
            command = [program, "-v", "error", "-i", str(folder / "voice.wav"), *pictures, *KINDS.get(ending, [])]
            subprocess.run([*command, str(path)], check=True, stdin=subprocess.DEVNULL)
        return path

    return make


def resemblance(wave: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two waveforms at the lag where it is largest; lossy kinds shift and lose the noise."""
    spectra = [np.fft.rfft(one, 1 << 17) for one in (wave, other)]
    largest = np.fft.irfft(spectra[0] * spectra[1].conj()).max()
    return float(largest / np.linalg.norm(wave) / np.linalg.norm(other))


@pytest.mark.parametrize("ending", KINDS)
def test_what_ffmpeg_reads(ending: str, record):
    path = record(ending)
    wave, header = audio.read_waveform(path), audio.info(path)
    assert len(wave) / audio.RATE == pytest.approx(SECONDS, abs=0.13), "encoders fill up"
    assert header.seconds == pytest.approx(len(wave) / audio.RATE, abs=1e-3)
    assert resemblance(wave, buzz(SECONDS, 120)) > 0.95
    part = audio.read_waveform(path, 0.5, 1.25)
    assert np.abs(part - wave[8000:20_000])[400:-400].max() < 1e-3


@pytest.mark.parametrize("ending", ["m4a", "mp4", "wma", "mka", "mkv", "tta", "wv", "webm", "avi"])
@pytest.mark.parametrize("share", [0.35, 0.8])
def test_what_is_cut_is_an_error(ending: str, share: float, record):
    whole = record(ending).read_bytes()
    path = record(ending).with_name(f"cut.{ending}")
    path.write_bytes(whole[: round(share * len(whole))])
    with pytest.raises(AudioError, match=r"breaks off|truncated|not a sound file"):
        audio.read_waveform(path)


@pytest.mark.parametrize("ending", ["mka", "webm", "wv"])
def test_what_lacks_a_part_is_an_error(ending: str, record):
    whole = record(ending).read_bytes()
    path = record(ending).with_name(f"hole.{ending}")
    path.write_bytes(whole[: len(whole) // 2] + whole[len(whole) * 7 // 10 :])
    with pytest.raises(AudioError, match=r"breaks off|truncated"):
        audio.read_waveform(path)


def test_what_ends_between_two_blocks_is_an_error(record):
    """Nothing looks broken, but the header promises more."""
    whole = record("wv").read_bytes()
    path = record("wv").with_name("cut.wv")
    path.write_bytes(whole[: whole.index(b"wvpk", len(whole) // 2)])
    with pytest.raises(AudioError, match=r"truncated, the last \d\.\d\d s"):
        audio.read_waveform(path)


def test_a_name_is_no_option_and_its_ending_does_not_matter(record, monkeypatch: pytest.MonkeyPatch):
    path = record("m4a").with_name("-y.wav")
    path.write_bytes(record("m4a").read_bytes())
    monkeypatch.chdir(path.parent)
    assert len(audio.read_waveform("-y.wav")) == len(audio.read_waveform(record("m4a")))


def test_playlists_are_not_opened(record):
    path = record("m4a").with_name("list.m4a")
    for text in (f"#EXTM3U\n#EXTINF:2,\nfile://{record('wma')}\n", f"ffconcat version 1.0\nfile '{record('wma')}'\n"):
        path.write_text(text)
        with pytest.raises(AudioError, match="not a sound file that can be read"):
            audio.read_waveform(path)


def test_pictures_without_sound_are_named(record, tmp_path: Path):
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    path = tmp_path / "mute.mkv"
    command = [program, "-v", "error", "-f", "lavfi", "-i", "color=s=32x32:r=5:d=1", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with pytest.raises(AudioError, match="mute.mkv: not a sound file that can be read .*matches no streams"):
        audio.read_waveform(path)


def test_without_ffmpeg_the_command_is_named(record, monkeypatch: pytest.MonkeyPatch):
    path = record("m4a")
    monkeypatch.setattr(ffmpeg, "find_program", lambda: None)
    with pytest.raises(AudioError, match=r"pip install 'vqspeech\[video\]', or .*: ffmpeg -i .*voice.m4a .*voice.wav"):
        audio.info(path)


def test_a_reader_that_stops_early_leaves_no_process(record, monkeypatch: pytest.MonkeyPatch):
    started = []
    popen = subprocess.Popen

    def start(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(ffmpeg.subprocess, "Popen", start)
    pieces = audio.read_blocks(record("m4a"), 0.0, 0.1)
    next(pieces)
    pieces.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert [process.poll() is not None for process in started] == [True]
