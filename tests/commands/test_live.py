"""`vqspeech convert` of a stream: a live model, standard input and output."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.models.live.small import live_model, speech
from vqspeech.commands.pipe import SampleFormat, read_chunks, read_header
from vqspeech.errors import AudioError


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("live") / "live.safetensors"
    live_model().save_pretrained(path)
    return str(path)


def converted(path: str, data: bytes, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "vqspeech.cli", "convert", "--model", path, "--speaker", "a", "--src", "-"]
    return subprocess.run([*command, "--out", "-", *options], input=data, capture_output=True, check=False)


def test_raw_samples_are_what_the_file_is(path: str, tmp_path):
    samples = (speech() * 32_767).astype("<i2")
    done = converted(path, samples.tobytes(), "--raw", "16000")
    assert done.returncode == 0, done.stderr
    # A process of its own, too: in this one, what other tests have set may put sums in another order.
    file, out = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(file, samples, 16_000)
    command = [sys.executable, "-m", "vqspeech.cli", "convert", "--model", path, "--speaker", "a", "--src", str(file)]
    subprocess.run([*command, "--out", str(out)], capture_output=True, check=True)
    wanted, _ = soundfile.read(out)
    assert np.frombuffer(done.stdout, "<i2") / 32_768 == pytest.approx(wanted, abs=2e-4)
    assert b"90 ms late" in done.stderr


def test_a_wav_is_converted_at_its_rate(path: str):
    file = io.BytesIO()
    soundfile.write(file, np.stack([speech(), speech()], 1), 48_000, format="WAV", subtype="FLOAT")
    done = converted(path, file.getvalue())
    assert done.returncode == 0, done.stderr
    form = read_header(source := io.BytesIO(done.stdout))
    assert (form.rate, form.channels) == (48_000, 1) and len(source.read()) == 2 * len(speech())


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_samples_of_a_wav_are_those_of_soundfile(subtype: str, form: str):
    file = io.BytesIO()
    soundfile.write(file, np.stack([speech(0.1), -0.5 * speech(0.1)], 1), 22_050, format=form, subtype=subtype)
    file.seek(0)
    found = read_header(file)
    assert found.rate == 22_050
    sound = np.concatenate([*read_chunks(file, found)])
    file.seek(0)
    wanted = soundfile.read(file)[0].mean(1)
    assert sound[: len(wanted)] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"ID3\x03" + bytes(40),
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16),
    ],
)
def test_what_is_no_wav_is_named(data: bytes):
    with pytest.raises(AudioError, match="--raw HZ"):
        read_header(io.BytesIO(data))


def test_part_of_a_sample_waits_for_the_rest():
    class Trickle(io.BytesIO):
        def read1(self, _=-1):
            return super().read1(3)

    samples = np.arange(100, dtype="<i2")
    found = np.concatenate([*read_chunks(Trickle(samples.tobytes() + b"\1"), SampleFormat(16_000))])
    assert np.array_equal(found * 32_768, samples)


def test_streams_of_other_models_and_nothing_are_refused(path: str):
    done = converted("world", b"", "--raw", "16000")
    assert done.returncode == 1 and b"live model" in done.stderr
    done = converted(path, b"", "--raw", "16000")
    assert done.returncode == 1 and b"no samples" in done.stderr
    nan = struct.pack("<f", float("nan")) * 900
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    done = converted(path, header + b"data\xff\xff\xff\xff" + nan)
    assert done.returncode == 1 and b"NaN" in done.stderr and b"Traceback" not in done.stderr
