"""Files whose headers tell another length than they have: all that is there is read, what is missing is named."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.errors import AudioError

RATE, SECONDS = 16_000, 3.0


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Loud and soft by turns, so that an MP3 of variable bit rate has frames of every size."""
    loudness = np.repeat(np.random.default_rng(0).random(12), RATE // 4)
    return buzz(SECONDS, 120) * loudness.astype(np.float32)


def encoded(folder: Path, voice: np.ndarray, ending: str, **kind) -> bytes:
    path = folder / f"whole.{ending}"
    soundfile.write(path, voice, RATE, **kind)
    return path.read_bytes()


def mp3(folder: Path, voice: np.ndarray, mode: str) -> bytes:
    path = folder / "whole.mp3"
    with soundfile.SoundFile(path, "w", RATE, 1, bitrate_mode=mode, compression_level=0.5) as file:
        file.write(voice)
    return path.read_bytes()


def without_first_frame(data: bytes) -> bytes:
    """An MP3 of 16 kHz without the frame that tells how many there are."""
    rates = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    return data[72 * rates[data[2] >> 4] * 1000 // RATE + (data[2] >> 1 & 1) :]


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def read(folder: Path, data: bytes, ending: str) -> np.ndarray:
    """The waveform of a file, whose header is to tell the same length."""
    path = folder / f"given.{ending}"
    path.write_bytes(data)
    wave = audio.read_waveform(path)
    found = audio.info(path)
    assert found.rate == RATE and abs(found.frames - len(wave)) <= 0.05 * RATE
    return wave


# MPEG audio


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_mp3_without_a_frame_that_tells_its_length(mode: str, voice, tmp_path: Path):
    whole = mp3(tmp_path, voice, mode)
    expected = read(tmp_path, whole, "mp3")
    assert len(expected) == len(voice), "the whole file loses its encoder's delay"
    found = read(tmp_path, without_first_frame(whole), "mp3")
    delay = 576  # what the encoder put in front, less what the decoder took away
    assert len(voice) <= len(found) < len(voice) + 4 * 576
    assert np.abs(found[delay + 2000 : delay + len(voice) - 2000] - expected[2000:-2000]).max() < 1e-6


def test_mp3_whose_frames_are_more_than_it_tells(voice, tmp_path: Path):
    whole = mp3(tmp_path, voice, "VARIABLE")
    told = struct.unpack(">I", whole[21:25])[0]
    found = read(tmp_path, put(whole, 21, struct.pack(">I", told // 3)), "mp3")
    assert len(voice) <= len(found) < len(voice) + 4 * 576


def test_mp3s_one_after_the_other_with_pictures_between(voice, tmp_path: Path):
    one = mp3(tmp_path, voice, "VARIABLE")
    picture = b"ID3\x03\0\0\0\x50\0\0" + np.random.default_rng(1).bytes(0x50 << 14)
    found = read(tmp_path, picture + one + picture + one + b"TAG" + bytes(125), "mp3")
    assert 2 * len(voice) <= len(found) < 2 * len(voice) + 8 * 576


def test_mp3_that_is_cut(voice, tmp_path: Path):
    whole = mp3(tmp_path, voice, "VARIABLE")
    with pytest.raises(AudioError, match=r"truncated, the last 1\.\d\d s") as caught:
        read(tmp_path, whole[: len(whole) // 2], "mp3")
    missing = float(re.findall(r"last (\S+) s", str(caught.value))[0])
    unknown = read(tmp_path, without_first_frame(whole[: len(whole) // 2]), "mp3")
    assert len(unknown) / RATE == pytest.approx(SECONDS - missing, abs=0.15), "which cannot know that it is cut"


def test_mp3_without_a_whole_frame(voice, tmp_path: Path):
    whole = mp3(tmp_path, voice, "VARIABLE")
    first = len(whole) - len(without_first_frame(whole))
    with pytest.raises(AudioError, match="holds no whole frame of sound"):
        read(tmp_path, whole[: first + 40], "mp3")


def test_mp3_of_two_sample_rates(voice, tmp_path: Path):
    first = mp3(tmp_path, voice, "CONSTANT")
    soundfile.write(tmp_path / "other.mp3", voice, 24_000)
    with pytest.raises(AudioError, match="changes its sample rate"):
        read(tmp_path, first + (tmp_path / "other.mp3").read_bytes(), "mp3")


def test_a_part_of_an_mp3_is_that_part_of_the_whole(voice, tmp_path: Path):
    for data in (mp3(tmp_path, voice, "VARIABLE"), without_first_frame(mp3(tmp_path, voice, "VARIABLE"))):
        whole = read(tmp_path, data, "mp3")
        for start in range(4000, 40_000, 1777):
            part = audio.read_waveform(tmp_path / "given.mp3", start / RATE, start / RATE + 0.2)
            assert np.abs(part - whole[start : start + 3200]).max() < 1e-5, start


# FLAC and Ogg


def unknown_flac(data: bytes, frames: int = 0) -> bytes:
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | frames
    return put(data, 18, field.to_bytes(8, "big"))


def test_flac_of_unknown_length(voice, tmp_path: Path):
    whole = encoded(tmp_path, voice, "flac")
    expected = read(tmp_path, whole, "flac")
    assert len(expected) == len(voice)
    for data in (unknown_flac(whole), unknown_flac(whole) + b"TAG" + bytes(125), whole + b"TAG" + bytes(125)):
        assert np.array_equal(read(tmp_path, data, "flac"), expected)
        assert audio.info(tmp_path / "given.flac").frames == len(voice)
    path = tmp_path / "given.flac"
    path.write_bytes(unknown_flac(whole))
    assert np.array_equal(audio.read_waveform(path, 1.5, 2.0), expected[24_000:32_000])
    with pytest.raises(AudioError, match="no samples after 9.00 s"):
        audio.read_waveform(path, 9.0)


def test_flac_that_is_longer_than_it_says(voice, tmp_path: Path):
    path = tmp_path / "given.flac"
    path.write_bytes(unknown_flac(encoded(tmp_path, voice, "flac"), 8000))
    assert len(audio.read_waveform(path)) == len(voice)


def test_flac_that_is_shorter_than_it_says(voice, tmp_path: Path):
    whole, sliver = encoded(tmp_path, voice, "flac"), round(0.04 * RATE)
    assert len(read(tmp_path, unknown_flac(whole, len(voice) + sliver), "flac")) == len(voice), "a sliver is no error"
    with pytest.raises(AudioError, match=r"truncated, the last 1\.00 s"):
        read(tmp_path, unknown_flac(whole, len(voice) + RATE), "flac")


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_flac_that_is_cut(share: float, voice, tmp_path: Path):
    whole = encoded(tmp_path, voice, "flac")
    expected = read(tmp_path, whole, "flac")
    path = tmp_path / "cut.flac"
    path.write_bytes(whole[: round(share * len(whole))])
    for read_whole in (audio.info, audio.read_waveform):
        with pytest.raises(AudioError, match=r"truncated, the last \d\.\d\d s") as caught:
            read_whole(path)
    there = SECONDS - float(re.findall(r"last (\S+) s", str(caught.value))[0])
    assert there == pytest.approx(share * SECONDS, abs=0.6)
    end = there - 0.01
    assert there > 0 and np.array_equal(audio.read_waveform(path, 0.01, end), expected[160 : round(end * RATE)]), (
        "what is there"
    )


def test_packets_in_caf_that_are_cut(voice, tmp_path: Path):
    whole = encoded(tmp_path, voice, "caf", subtype="ALAC_16")
    assert len(read(tmp_path, whole, "caf")) == len(voice)
    with pytest.raises(AudioError, match="truncated|not a sound file"):
        read(tmp_path, whole[:-60], "caf")


def test_half_an_ogg(voice, tmp_path: Path):
    for kind in ("VORBIS", "OPUS"):
        whole = encoded(tmp_path, np.tile(voice, 4), "ogg", subtype=kind)
        assert len(read(tmp_path, whole, "ogg")) == 4 * len(voice)
        pages = [page.start() for page in re.finditer(b"OggS", whole)]
        for size in (len(whole) // 2, pages[len(pages) // 2], len(whole) - 9):
            with pytest.raises(AudioError, match=r"breaks off after \d+\.\d\d s, its last page"):
                read(tmp_path, whole[:size], "ogg")


@pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
def test_ogg_that_lost_a_page(kind: str, voice, tmp_path: Path):
    whole = encoded(tmp_path, np.tile(voice, 4), "ogg", subtype=kind)
    pages = [page.start() for page in re.finditer(b"OggS", whole)]
    middle = len(pages) // 2
    damaged = put(whole, pages[middle] + 99, bytes([whole[pages[middle] + 99] ^ 1]))
    lost = whole[: pages[middle]] + whole[pages[middle + 1] :]
    for data in (lost, damaged):
        with pytest.raises(AudioError, match=r"lacks some of the sound from \d+\.\d\d to \d+\.\d\d s") as caught:
            read(tmp_path, data, "ogg")
        begin, end = map(float, re.findall(r"from (\S+) to (\S+) s", str(caught.value))[0])
        assert 0 < begin < end < 4 * SECONDS


def test_ogg_of_a_stream_that_was_joined_late(voice, tmp_path: Path):
    whole = encoded(tmp_path, np.tile(voice, 4), "ogg")
    pages = [page.start() for page in re.finditer(b"OggS", whole)]
    found = read(tmp_path, whole[: pages[2]] + whole[pages[4] :], "ogg")
    assert 2 * len(voice) < len(found) < 4 * len(voice)
    with pytest.raises(AudioError, match=r"lacks some of the sound from 0\.00 to 1\.\d\d s"):
        read(tmp_path, whole[: pages[2] + 50] + whole[pages[3] :], "ogg")


def test_oggs_one_after_the_other(voice, tmp_path: Path):
    one, other = encoded(tmp_path, voice, "ogg"), encoded(tmp_path, voice, "ogg", subtype="OPUS")
    path, part = tmp_path / "given.ogg", slice(round(2.5 * RATE), round(3.5 * RATE))
    both = read(tmp_path, one + one, "ogg")
    assert np.array_equal(both, np.tile(read(tmp_path, one, "ogg"), 2))
    path.write_bytes(one + one)
    assert np.abs(audio.read_waveform(path, 2.5, 3.5) - both[part]).max() < 1e-4
    with pytest.raises(AudioError, match="breaks off"):
        read(tmp_path, one[: len(one) // 2] + one, "ogg")
    assert len(read(tmp_path, other + other, "opus")) == 2 * len(voice)


# Chunks

WAVE = ("WAV", "PCM_16", b"data", "<I", 4)
CHUNKED = {
    "wav": WAVE,
    "rf64": ("RF64", "PCM_16", b"data", "<I", 4),
    "aiff": ("AIFF", "PCM_16", b"SSND", ">I", 4),
    "caf": ("CAF", "PCM_16", b"data", ">q", 4),
    "w64": ("W64", "PCM_16", b"data\xf3\xac\xd3\x11", "<q", 16),
    "float wav": ("WAV", "FLOAT", b"data", "<I", 4),
    "a-law wav": ("WAV", "ALAW", b"data", "<I", 4),
    "24-bit wavex": ("WAVEX", "PCM_24", b"data", "<I", 4),
}


def chunked(folder: Path, voice: np.ndarray, name: str) -> tuple[bytes, int, str]:
    """A file, where the size of its samples stands, and how."""
    container, kind, chunk, form, length = CHUNKED[name]
    data = encoded(folder, voice, "sound", format=container, subtype=kind)
    return data, data.index(chunk) + length, form


@pytest.mark.parametrize("name", CHUNKED)
def test_sizes_that_were_never_written(name: str, voice, tmp_path: Path):
    data, at, form = chunked(tmp_path, voice, name)
    expected = read(tmp_path, data, "wav")
    assert len(expected) == len(voice)
    unknown = {"<I": (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000), ">I": (0, 0xFFFFFFFF), ">q": (0, -1), "<q": (0, -1)}[form]
    for size in (*unknown, 24_000):
        found = read(tmp_path, put(data, at, struct.pack(form, size)), "wav")
        assert np.array_equal(found[: len(voice)], expected) and len(found) <= len(voice) + 400, size
    path = tmp_path / "given.wav"
    assert np.array_equal(audio.read_waveform(path, 2.0, 2.5), expected[32_000:40_000])


@pytest.mark.parametrize("name", CHUNKED)
def test_chunks_that_are_cut(name: str, voice, tmp_path: Path):
    data, *_ = chunked(tmp_path, voice, name)
    if name == "float wav":
        data = data[:-8]
    expected = read(tmp_path, data, "wav")
    for share in (0.4, 0.9):
        size = round(len(data) * share)
        path = tmp_path / "cut.wav"
        path.write_bytes(data[:size])
        with pytest.raises(AudioError, match="truncated, the last") as caught:
            audio.read_waveform(path)
        missing = float(re.findall(r"last (\S+) s", str(caught.value))[0])
        assert missing == pytest.approx((1 - share) * SECONDS, abs=0.2)
        with pytest.raises(AudioError, match="truncated"):
            audio.info(path)
        assert np.array_equal(audio.read_waveform(path, 0.1, 1.0), expected[1600:16_000]), "the part is all there"
    samples = round(0.04 * RATE) * (len(data) // len(voice))
    assert len(read(tmp_path, data[:-samples], "wav")) >= len(voice) - 0.05 * RATE, "a sliver is no error"


def test_recorder_that_was_switched_off(voice, tmp_path: Path):
    """Both sizes are what they were when recording began."""
    data, *_ = chunked(tmp_path, voice, "wav")
    for riff in (0, 36):
        found = read(tmp_path, put(put(data, 4, struct.pack("<I", riff)), 40, bytes(4)), "wav")
        assert len(found) == len(voice)


def test_what_follows_the_samples_is_no_sound(voice, tmp_path: Path):
    data, *_ = chunked(tmp_path, voice, "wav")
    expected = read(tmp_path, data, "wav")
    text = b"LIST" + struct.pack("<I", 5000) + b"INFO" + bytes(4996)
    odd = put(data, 40, struct.pack("<I", 95_999))[:-1]
    for tail in (text, text[:3000], bytes(9000), b"TAG" + bytes(125), b"id3 " + struct.pack("<I", 9000) + bytes(9000)):
        assert np.array_equal(read(tmp_path, data + tail, "wav"), expected)
    assert len(read(tmp_path, odd + text, "wav")) == len(voice) - 1, "a size that is odd, and not filled up"
    empty = put(data[:44], 40, bytes(4))
    with pytest.raises(AudioError, match="holds no samples"):
        read(tmp_path, empty + text, "wav")


def test_chunks_in_another_order(voice, tmp_path: Path):
    data, *_ = chunked(tmp_path, voice, "wav")
    expected = read(tmp_path, data, "wav")
    head, samples = data[12:36], data[44:]
    sound = b"data" + struct.pack("<I", len(samples))
    junk = b"JUNK" + struct.pack("<I", 3) + b"abc"

    def file(*chunks: bytes) -> bytes:
        body = b"".join(chunks)
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body

    tag = b"ID3\x04\0\0\0\0\x02\x10" + bytes(272)
    half = len(samples) // 2
    halves = [b"data" + struct.pack("<I", half) + part for part in (samples[:half], samples[half:])]
    for body in (
        file(sound, samples, head), file(junk, b"\0", head, sound, samples), file(junk, head, sound, samples),
        tag + file(head, sound, samples), file(head, *halves), file(head, b"data\0\0\0\0", samples),
    ):  # fmt: skip
        assert np.array_equal(read(tmp_path, body, "wav"), expected)
    with pytest.raises(AudioError, match="a second sound file begins at byte"):
        read(tmp_path, file(head, sound, samples) * 2, "wav")


def test_au_reads_on_to_its_end(voice, tmp_path: Path):
    data = encoded(tmp_path, voice, "au")
    for size in (0, 1000, 96_000, 0xFFFFFFFF):
        assert len(read(tmp_path, put(data, 8, struct.pack(">I", size)), "au")) == len(voice)
    with pytest.raises(AudioError, match=r"truncated, the last 1\.50 s"):
        read(tmp_path, data[: 24 + 48_000], "au")


def test_sphere_counts_its_samples(voice, tmp_path: Path):
    data = encoded(tmp_path, voice, "sph", format="NIST")
    assert len(read(tmp_path, data, "sph")) == len(voice)
    assert len(read(tmp_path, data.replace(b"-i 48000", b"-i 16000"), "sph")) == len(voice)
    with pytest.raises(AudioError, match=r"truncated, the last 1\.50 s"):
        read(tmp_path, data[: 1024 + 48_000], "sph")
    law = encoded(tmp_path, voice, "sph", format="NIST", subtype="ALAW")
    with pytest.raises(AudioError, match=r"truncated, the last 1\.50 s"):
        read(tmp_path, law[: 1024 + 24_000], "sph")


@pytest.mark.parametrize(("container", "kind"), [("VOC", "PCM_16"), ("VOC", "ULAW"), ("SVX", "PCM_16")])
def test_rare_containers_that_are_cut(container: str, kind: str, voice, tmp_path: Path):
    data = encoded(tmp_path, voice, "sound", format=container, subtype=kind)
    assert abs(len(read(tmp_path, data, "sound")) - len(voice)) <= 1
    with pytest.raises(AudioError, match=r"truncated, the last 1\.\d\d s"):
        read(tmp_path, data[: len(data) // 2], "sound")


def test_more_than_four_gigabytes(tmp_path: Path):
    """The size of a file of 4.3 GB is what 32 bits leave of it; most of the file is a hole."""
    frames, rate = 2_150_000_000 // 2, 768_000
    size = frames * 4
    head = struct.pack("<4sI4s4sI", b"RIFF", (size + 36) % 2**32, b"WAVE", b"fmt ", 16)
    head += struct.pack("<HHIIHH4sI", 1, 2, rate, rate * 4, 4, 16, b"data", size % 2**32)
    path = tmp_path / "long.wav"
    with open(path, "wb") as file:
        file.write(head)
        file.seek(44 + size - 8000)
        file.write(np.full(4000, 9000, "<i2").tobytes())
    assert audio.info(path).frames == frames
    last = audio.read_waveform(path, frames / rate - 0.1)
    assert np.abs(last).max() > 0.2 and len(last) == 1600


def test_rates_that_are_no_speech(voice, tmp_path: Path):
    data, *_ = chunked(tmp_path, voice, "wav")
    for rate in (1, 999, 800_000, 2**31 - 1):
        with pytest.raises(AudioError, match="its header is damaged"):
            read(tmp_path, put(data, 24, struct.pack("<I", rate)), "wav")


def test_samples_on_the_scale_of_integers(voice, tmp_path: Path):
    data = encoded(tmp_path, voice * 32_768, "wav", subtype="FLOAT")
    with pytest.raises(AudioError, match=r"samples up to .* are on the scale of integers; divide them: ffmpeg"):
        read(tmp_path, data, "wav")
    assert np.abs(read(tmp_path, encoded(tmp_path, voice * 10, "wav", subtype="FLOAT"), "wav")).max() > 3
