"""Sound files as they come: every bad one is named with its fix, every good one becomes the same waveform."""

import array
import errno
import os
import tracemalloc
import wave as wave_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.errors import AudioError, WaveformError


def sine(rate: int, seconds: float = 1.0, hertz: float = 200.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def saved(path: Path, wave: np.ndarray, rate: int = audio.RATE, **kind) -> Path:
    soundfile.write(path, wave, rate, **kind)
    return path


def cut(path: Path, size: int) -> Path:
    """A copy of which only the first `size` bytes have arrived."""
    short = path.with_name(f"cut-{size}-{path.name}")
    short.write_bytes(path.read_bytes()[:size])
    return short


BAD = {
    "empty": (lambda at: cut(saved(at / "a.wav", sine(16000)), 0), r"empty \(0 bytes\)"),
    "header only": (lambda at: cut(saved(at / "a.wav", sine(16000)), 44), "holds no samples"),
    "half a header": (lambda at: cut(saved(at / "a.wav", sine(16000)), 20), "not a sound file"),
    "silent": (lambda at: saved(at / "a.wav", np.zeros(1000)), "silent"),
    "truncated WAV": (lambda at: cut(saved(at / "a.wav", sine(16000)), 9000), r"truncated, the last 0\.72 s"),
    "truncated FLAC": (lambda at: cut(saved(at / "a.flac", sine(16000)), 4000), "truncated|breaks off"),
    "truncated AIFF": (lambda at: cut(saved(at / "a.aiff", sine(16000)), 9000), "truncated"),
    "NaN": (lambda at: saved(at / "a.wav", np.r_[sine(16000), np.nan], subtype="FLOAT"), "NaN or infinite"),
    "infinite": (lambda at: saved(at / "a.wav", np.r_[np.inf, sine(16000)], subtype="FLOAT"), "NaN or infinite"),
    "1 sample at 192 kHz": (lambda at: saved(at / "a.wav", np.full(1, 0.5), 192_000), "too short"),
    "text": (lambda at: (at / "a.wav").write_text("hello " * 99) and at / "a.wav", "not a sound file.*-new.wav"),
    "raw samples": (lambda at: (at / "a.raw").write_bytes(b"ab" * 99) and at / "a.raw", "ffmpeg -f s16le -ar RATE"),
    "1 Hz": (lambda at: saved(at / "a.wav", sine(16000), 1), "header is damaged"),
    "missing": (lambda at: at / "a.wav", "no such file"),
    "folder": (lambda at: at, "is a folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_with_their_fix(name: str, tmp_path: Path):
    make, message = BAD[name]
    path = make(tmp_path)
    with pytest.raises(AudioError, match=message) as caught:
        audio.read_waveform(path)
    assert str(path) in str(caught.value) and ";" in str(caught.value), "the file, and after a semicolon the fix"


def test_one_sample_is_a_waveform(tmp_path: Path):
    assert audio.read_waveform(saved(tmp_path / "a.wav", np.full(1, 0.5))).tolist() == [0.5]


@pytest.mark.parametrize(("kind", "most"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.1)])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 192_000])
def test_kinds_and_rates(kind: str, most: float, rate: int, tmp_path: Path):
    path = saved(tmp_path / f"a.{kind}", sine(rate, 0.31), rate)
    wave = audio.read_waveform(path)
    assert wave.dtype == np.float32 and abs(len(wave) - 0.31 * audio.RATE) <= 1
    inside = slice(400, 4500)  # a resampler rings at the ends
    assert np.abs(wave[inside] - sine(audio.RATE, 0.31)[inside]).max() < max(most, 2e-3 * (rate != audio.RATE))


@given(st.integers(1000, 200_000), st.integers(2000, 9000))
def test_resampling_keeps_the_length(tmp_path_factory, rate: int, samples: int):
    path = saved(tmp_path_factory.getbasetemp() / "length.wav", np.full(samples, 0.5), rate)
    found = sum(map(len, audio.read_blocks(path)))
    assert abs(found - samples * audio.RATE / rate) <= 1


def test_channels_are_averaged(tmp_path: Path):
    wave = sine(192_000, 0.5)
    many = np.stack([wave * (i + 1) / 4.5 for i in range(8)], axis=1)
    path = saved(tmp_path / "a.wav", many, 192_000)
    assert audio.info(path) == (192_000, 8, 96_000)
    found = audio.read_waveform(path)
    assert len(found) == 8000 and np.abs(found - sine(audio.RATE, 0.5))[400:-400].max() < 2e-3


def test_parts(tmp_path: Path):
    path = saved(tmp_path / "a.wav", buzz(1.0, 120))
    whole = audio.read_waveform(path)
    assert np.array_equal(audio.read_waveform(path, 0.25, 0.5), whole[4000:8000])
    assert np.array_equal(audio.read_waveform(path, 0.25, 9.0), whole[4000:]), "segments may overshoot a little"
    for start, end in ((0.5, 0.2), (2.0, 3.0), (-1.0, 0.5), (0.5, 0.5)):
        with pytest.raises(AudioError, match="no samples between"):
            audio.read_waveform(path, start, end)


def test_a_part_of_a_truncated_file_is_read_where_it_is_there(tmp_path: Path):
    whole = saved(tmp_path / "a.wav", buzz(1.0, 120))
    short = cut(whole, 16_044)
    assert np.array_equal(audio.read_waveform(short, 0.1, 0.4), audio.read_waveform(whole, 0.1, 0.4))
    with pytest.raises(AudioError, match="truncated"):
        audio.read_waveform(short, 0.1, 0.9)


def test_eight_hours_in_bounded_memory(tmp_path: Path):
    path, rate = tmp_path / "night.wav", 1000
    with wave_module.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        for hour in range(8):
            quiet = bytearray(b"\x80" * 3600 * rate)
            quiet[1_800_000] = 255 if hour == 7 else 128
            file.writeframes(bytes(quiet))
    tracemalloc.start()
    try:
        samples, loudest, largest = 0, [], 0
        for block in audio.read_blocks(path):
            samples, largest = samples + len(block), max(largest, block.nbytes)
            loudest.append(float(np.abs(block).max()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert abs(samples - 8 * 3600 * audio.RATE) <= 1
    assert largest < 8 << 20 and peak < 64 << 20, "the whole waveform would be 1.8 GB"
    assert max(loudest) > 0.5, "the click is heard"


def test_empty_and_silent_are_said_after_the_last_block(tmp_path: Path):
    pieces = audio.read_audible_blocks(saved(tmp_path / "a.wav", np.zeros(500)))
    assert len(next(pieces)) == 500
    with pytest.raises(AudioError, match="silent"):
        next(pieces)


WAVE = (np.random.default_rng(0).integers(-30_000, 30_000, 4000) / 32_768).astype(np.float32)
GIVEN = {
    "float32": WAVE,
    "float64": WAVE.astype(np.float64),
    "float16": WAVE.astype(np.float16),
    "big-endian": WAVE.astype(">f4"),
    "int16": (WAVE * 32_768).astype(np.int16),
    "big-endian int16": (WAVE * 32_768).astype(">i2"),
    "int32": (WAVE.astype(np.float64) * 2**31).astype(np.int32),
    "int8": np.round(WAVE * 127).astype(np.int8),
    "uint8": np.round(WAVE * 127 + 128).astype(np.uint8),
    "list": WAVE.tolist(),
    "tuple of numpy scalars": tuple(WAVE),
    "every other of a view": np.repeat(WAVE, 2)[::2],
    "backwards twice": WAVE[::-1].copy()[::-1],
    "read only": np.frombuffer(WAVE.tobytes(), np.float32),
    "array": array.array("h", (WAVE * 32_768).astype(np.int16).tolist()),
    "(1, time)": WAVE[None],
    "(time, 1)": WAVE[:, None],
    "(1, 1, time)": WAVE[None, None],
    "tensor": torch.from_numpy(WAVE.copy()),
    "tensor that learns": torch.from_numpy(WAVE.copy()).requires_grad_() * 1,
    "tensor of doubles": torch.from_numpy(WAVE.copy()).double()[None],
    "tensor of halves": torch.from_numpy(WAVE.copy()).half(),
    "tensor of brain floats": torch.from_numpy(WAVE.copy()).bfloat16(),
    "tensor of int16": torch.from_numpy((WAVE * 32_768).astype(np.int16)),
    "tensor of uint8": torch.from_numpy(np.round(WAVE * 127 + 128).astype(np.uint8)),
    "view of a tensor": torch.from_numpy(np.stack([WAVE, WAVE], 1))[:, 1],
}


@pytest.mark.parametrize("name", GIVEN)
def test_samples_of_every_type_are_one_waveform(name: str):
    found = audio.to_waveform(GIVEN[name])
    rough = {"half": 1e-3, "float16": 5e-4, "int8": 0.02, "uint8": 0.02, "halves": 1e-3, "brain": 0.01}
    most = max([error for word, error in rough.items() if word in name], default=1e-7)
    assert found.dtype == np.float32 and found.shape == (4000,) and found.flags.c_contiguous
    assert np.abs(found - WAVE).max() <= most


def test_full_scale_of_integers():
    assert audio.to_waveform(np.array([-32_768, 0, 16_384], np.int16)).tolist() == [-1, 0, 0.5]
    assert audio.to_waveform(np.array([-(2**31), 0, 2**30], np.int32)).tolist() == [-1, 0, 0.5]
    assert audio.to_waveform(np.array([-128, 0, 64], np.int8)).tolist() == [-1, 0, 0.5]
    assert audio.to_waveform(np.array([0, 128, 192], np.uint8)).tolist() == [-1, 0, 0.5]


NO_WAVEFORM = {
    "two channels": (np.zeros((2, 100)), r"not of shape \(2, 100\); average its channels: x.mean\(0\)"),
    "channels last": (np.zeros((100, 2)), r"not of shape \(100, 2\); average its channels: x.mean\(1\)"),
    "tensor of two channels": (torch.zeros(2, 100), r"not of shape \(2, 100\)"),
    "batch": (np.zeros((3, 2, 100)), r"not of shape \(3, 2, 100\); give one channel"),
    "number": (0.5, r"not of shape \(\)"),
    "empty": ([], r"shape \(0,\) holds no samples"),
    "no channels": (np.zeros((0, 100)), "holds no samples"),
    "NaN": ([0.1, np.nan], "NaN or infinite"),
    "infinite": (np.array([0.1, np.inf], np.float16), "NaN or infinite"),
    "beyond float32": ([0.1, 1e300], "on the scale of integers"),
    "integers as floats": (WAVE * 32_768, r"on the scale of integers; divide them by .*32768"),
    "bool": (np.ones(9, bool), "type bool"),
    "complex": (WAVE + 0j, "type complex"),
    "integers of no scale": ([0, 1, -1], "type int64 have no scale"),
    "uint16": (np.zeros(9, np.uint16), "type uint16 have no scale"),
    "objects": ([None, 1.0], "type object"),
    "words": (["a", "b"], "type str"),
    "nothing": (None, "type object"),
    "rows": ([[0.1], [0.1, 0.2]], "make no array"),
    "path": ("a.wav", "read a file with vqspeech.audio.read_waveform"),
    "Path": (Path("a.wav"), "read a file with vqspeech.audio.read_waveform"),
    "bytes": (b"abcd", "read a file with"),
}


@pytest.mark.parametrize("name", NO_WAVEFORM)
def test_what_is_no_waveform_is_named(name: str):
    samples, message = NO_WAVEFORM[name]
    with pytest.raises(WaveformError, match=message) as caught:
        audio.to_waveform(samples)
    assert isinstance(caught.value, ValueError | AudioError)


def test_loud_samples_are_believed():
    assert np.abs(audio.to_waveform(10 * WAVE) - 10 * WAVE).max() == 0, "+20 dB"
    assert audio.to_waveform([audio.LARGEST_SAMPLE]).tolist() == [audio.LARGEST_SAMPLE]
    with pytest.raises(WaveformError, match="samples up to 32.1"):
        audio.to_waveform([-32.1])


@pytest.mark.parametrize("rate", [8000, 22_050, np.int64(44_100), 48_000.0, 192_000])
def test_samples_of_another_rate(rate, tmp_path: Path):
    wave = sine(int(rate), 0.5)
    found = audio.to_waveform(wave, sample_rate=rate)
    assert abs(len(found) - 8000) <= 1
    assert np.abs(found - sine(audio.RATE, 0.5)[: len(found)])[400:7500].max() < 2e-3
    path = saved(tmp_path / "a.wav", wave, int(rate), subtype="FLOAT")
    assert np.array_equal(found, audio.read_waveform(path)), "as the file"


@pytest.mark.parametrize("rate", [0, -16_000, 1, 999, 10**9, np.nan, np.inf, True, "16000", None, [16_000]])
def test_rates_that_are_none(rate, tmp_path: Path):
    with pytest.raises(WaveformError, match="give samples a second as a number from 1000 to 768000"):
        audio.to_waveform(WAVE, sample_rate=rate)
    with pytest.raises(WaveformError, match="sample rate"):
        audio.write(tmp_path / "a.wav", WAVE, rate)
    assert not list(tmp_path.iterdir())


def test_less_than_a_sample_is_named():
    with pytest.raises(WaveformError, match="1 samples at 192000 Hz are too short"):
        audio.to_waveform([0.5], sample_rate=192_000)


@pytest.mark.parametrize("name", ["int16", "tensor", "list", "(1, time)", "float64"])
def test_write_what_is_given(name: str, tmp_path: Path):
    audio.write(tmp_path / "a.wav", GIVEN[name])
    assert np.abs(audio.read_waveform(tmp_path / "a.wav") - WAVE).max() <= 1 / 32_767
    for samples, message in (([np.nan], "NaN"), (np.zeros((2, 9)), "shape"), ([], "no samples")):
        with pytest.raises(WaveformError, match=message):
            audio.write(tmp_path / "b.wav", samples)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_mulaw_levels():
    assert audio.encode_mulaw(np.array([-9.0, -1.0, 0.0, 1.0, 9.0])).tolist() == [0, 0, audio.MIDPOINT, 255, 255]
    assert audio.decode_mulaw(np.array([0, 255])).tolist() == pytest.approx([-1, 1])
    levels = np.arange(audio.LEVELS, dtype=np.uint8)
    assert np.array_equal(audio.encode_mulaw(audio.decode_mulaw(levels)), levels), "a level is its own nearest"
    assert (np.diff(audio.decode_mulaw(levels)) > 0).all()


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1))
def test_mulaw_round_trip(samples: list[float]):
    wave = np.array(samples, dtype=np.float32)
    levels = audio.encode_mulaw(wave)
    back, clipped = audio.decode_mulaw(levels), np.clip(wave, -1, 1)
    assert levels.dtype == np.uint8 and back.dtype == np.float32 and back.shape == wave.shape
    # A step of the curve is 2/255 wide; its slope at x is log(256) (1 + 255 |x|) / 255 at the larger of the two ends.
    step = np.log(256) * (1 / 255 + np.maximum(np.abs(back), np.abs(clipped))) / 255
    assert (np.abs(back - clipped) <= step * 1.001 + 1e-6).all()
    assert np.array_equal(audio.encode_mulaw(back), levels)
    assert (np.diff(audio.encode_mulaw(np.sort(wave)).astype(int)) >= 0).all(), "it rises with the sample"


@pytest.mark.parametrize("name", ["a.wav", "deep/folder/a.flac", "a.ogg", "a.WAV"])
def test_write(name: str, tmp_path: Path):
    wave = 2 * sine(audio.RATE)
    audio.write(tmp_path / name, 1.5 * wave)
    found = audio.read_waveform(tmp_path / name)
    assert len(found) == len(wave)
    assert np.abs(found - np.clip(1.5 * wave, -1, 1)).max() < (0.2 if name.endswith("ogg") else 1e-4), "clipped"
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name], "and no temporary"


@pytest.mark.parametrize("name", ["a", "a.txt", "a.raw", "a.m4a", "a.wve", "a.sd2"])
def test_write_needs_an_ending(name: str, tmp_path: Path):
    with pytest.raises(AudioError, match=r"end it in \.wav"):
        audio.write(tmp_path / name, sine(audio.RATE))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_write_to_a_full_disk(kind: str, tmp_path: Path):
    """Vorbis too, whose encoder of libsndfile says nothing."""
    resource = pytest.importorskip("resource")
    path = tmp_path / f"a.{kind}"
    audio.write(path, sine(audio.RATE, 0.01))
    old, most = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most[1]))
    try:
        with pytest.raises(OSError, match=str(path)) as raised:
            audio.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 64_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert raised.value.errno == errno.EFBIG, "as the system has it"
    assert path.read_bytes() == old and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "ending", ["aif", "aiff", "au", "caf", "flac", "mp3", "oga", "ogg", "opus", "rf64", "snd", "w64", "wav", "wave"]
)
def test_kinds_that_are_written(ending: str, tmp_path: Path):
    path = tmp_path / os.fsdecode(b"caf\xe9." + ending.encode())  # not text, and a name all the same
    audio.write(path, sine(audio.RATE))
    header = audio.info(path)
    assert header.rate == audio.RATE and header.seconds == pytest.approx(1.0, abs=0.1)


def test_write_in_parts(tmp_path: Path):
    wave = sine(audio.RATE)
    audio.write(tmp_path / "a.wav", wave)
    parts = iter([wave[:0], wave[:7], wave[7:9000], wave[9000:]])
    assert audio.write_parts(tmp_path / "b.wav", parts) == len(wave)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
