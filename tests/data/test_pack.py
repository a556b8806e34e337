import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio, loudness, world
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.pack import STEP, read_pack, shrink_pack, write_pack
from vqspeech.errors import ShardError

HERTZ = {"anna": 210, "bruno": 105, "carla": 180}


def recordings(folder, speaker: str, count: int, ending: str = "wav") -> list[Utterance]:
    """Recordings of one speaker of half a second and more, each on a pitch of its own."""
    found = []
    for i in range(count):
        path = folder / f"{speaker}-{i}.{ending}"
        wave = buzz(0.5 + 0.13 * i, HERTZ[speaker] * (1 + 0.02 * i))
        if ending == "opus":
            soundfile.write(path, wave, audio.RATE, format="OGG", subtype="OPUS")
        else:
            soundfile.write(path, wave, audio.RATE)
        found.append(Utterance(f"{speaker}-{i}", speaker, str(path)))
    return found


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A pack of 4 + 2 training recordings and 2 of the dev set, and where they lie."""
    folder = tmp_path_factory.mktemp("pack")
    train = DataDir(recordings(folder, "anna", 4) + recordings(folder, "bruno", 2, "opus"))
    broken = folder / "anna-9.wav"
    broken.write_bytes(b"no sound")
    everything = DataDir([*train, Utterance("anna-9", "anna", str(broken))])
    skipped = write_pack(everything, DataDir(recordings(folder, "carla", 2)), folder / "out")
    assert list(skipped.reasons) == ["anna-9"]
    return folder, read_pack(folder / "out", 1)


def test_what_goes_in_comes_out(packed):
    folder, pack = packed
    assert pack.utterances == ["carla-0", "carla-1", "anna-0", "anna-1", "anna-2", "anna-3", "bruno-0", "bruno-1"]
    assert [pack.speakers[i] for i in pack.select("dev")] == ["carla", "carla"] and len(pack.select("train")) == 6
    assert (pack.starts % STEP == 0).all() and pack.samples.dtype == np.int16
    for i, name in enumerate(pack.utterances):
        [path] = folder.glob(f"{name}.*")
        original = loudness.normalise(audio.read_waveform(path)).samples
        assert pack.lengths[i] == len(original)
        first = int(pack.starts[i])
        found = pack.samples[first : first + len(original)].astype(float)
        error = np.abs(np.fft.rfft(found)) - np.abs(np.fft.rfft(original.astype(float)))
        assert np.sqrt((error**2).sum() / (np.fft.rfft(original.astype(float)).__abs__() ** 2).sum()) < 0.3, "Opus"
        assert not pack.samples[first + len(original) : first + -(-len(original) // STEP) * STEP].any()


def test_pitch_is_that_of_the_voice(packed):
    _, pack = packed
    for i, name in enumerate(pack.utterances):
        speaker, _, number = name.partition("-")
        f0 = pack.f0[pack.starts[i] // world.FRAME :][: world.count_frames(int(pack.lengths[i]))]
        assert np.median(f0[f0 > 0]) == pytest.approx(HERTZ[speaker] * (1 + 0.02 * int(number)), rel=0.02)


def test_opus_stays_as_it_is(packed):
    folder, _ = packed
    data = (folder / "out" / "audio.ogg").read_bytes()
    assert (folder / "bruno-1.opus").read_bytes() in data


def test_who_has_most_loses_most(packed):
    folder, pack = packed
    size = sum(path.stat().st_size for path in (folder / "out").iterdir())
    shrink_pack(folder / "out", folder / "small", size / 2**20 * 0.75)
    small = read_pack(folder / "small", 1)
    assert len(small) < len(pack) and len(small.select("dev")) == 2
    kept = [small.speakers.count(name) for name in ("anna", "bruno")]
    assert kept[1] >= 1 and kept[0] < 4
    i, j = small.utterances.index("bruno-0"), pack.utterances.index("bruno-0")
    assert np.array_equal(small.wave(i), pack.wave(j)) and np.array_equal(small.pitch(i), pack.pitch(j))


def test_damage_is_said(packed, tmp_path):
    folder, _ = packed
    for name in ("audio.ogg", "index.npz"):
        (tmp_path / name).write_bytes((folder / "out" / name).read_bytes())
    (tmp_path / "audio.ogg").write_bytes((folder / "out" / "audio.ogg").read_bytes()[:-5])
    with pytest.raises(ShardError, match="belong to different packs"):
        read_pack(tmp_path)
    (tmp_path / "index.npz").write_bytes(b"nothing")
    with pytest.raises(ShardError, match="damaged"):
        read_pack(tmp_path)
    (tmp_path / "index.npz").unlink()
    with pytest.raises(ShardError, match="missing"):
        read_pack(tmp_path)
    with pytest.raises(ShardError, match="could be packed"):
        write_pack(DataDir([Utterance("a-1", "a", str(tmp_path / "audio.ogg"))]), DataDir(), tmp_path / "none")
