from functools import partial

import numpy as np
import pytest

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError, SpeakerError
from vqspeech.metrics.evaluations import conversion
from vqspeech.metrics.judges import Judges
from vqspeech.metrics.measures.verification import equal_error_rate
from vqspeech.metrics.reports import scores

TEXTS = {600: "one two three", 700: "four five six", 800: "seven eight nine"}
VOICES = {0.1: [1.0, 0.0], 0.2: [0.0, 1.0], 0.3: [0.6, 0.8], 0.4: [-1.0, 0.0]}


class Hearing:
    """Hears a text in the length of a recording."""

    name = "hearing"

    def transcribe(self, wave):
        return TEXTS.get(len(wave) // 10, "one")


class Loudness:
    """Tells voices by the peak, and rates a recording by it."""

    name = "loudness"

    def embedding(self, wave):
        return np.array(VOICES[min(VOICES, key=lambda peak: abs(peak - np.abs(wave).max()))])

    def rating(self, wave):
        return float(np.abs(wave).max())


def judges(*_):
    return Judges(Hearing(), Loudness(), Loudness())


def write_sound(folder, name, length, peak):
    path = folder / name
    audio.write(path, peak * np.sign(np.sin(np.arange(10 * length) / 9)))
    return str(path)


@pytest.fixture
def world(tmp_path):
    """Two sources of speaker s (peak 0.3), voices t and u (0.1, 0.2), and conversions that fail in known ways."""
    pytest.importorskip("jiwer")
    sound = partial(write_sound, tmp_path)
    sources = DataDir(
        Utterance(f"s-{n}", "s", sound(f"s-{n}.wav", n, 0.3), text=None if n == 800 else TEXTS[n]) for n in TEXTS
    )
    targets = DataDir(
        Utterance(f"{who}-{i}", who, sound(f"{who}-{i}.wav", 650, peak))
        for who, peak in (("t", 0.1), ("u", 0.2))
        for i in "ab"
    )
    sound("converted/t/s-600.wav", 600, 0.1)  # right words, right voice
    sound("converted/u/s-600.wav", 650, 0.2)  # wrong words, right voice
    sound("converted/t/s-700.wav", 700, 0.2)  # right words, wrong voice
    sound("converted/u/s-700.wav", 700, 0.3)  # right words, the source's voice
    sound("reconstructed/s-800.wav", 800, 0.3)
    return tmp_path, sources, targets


def test_rows(world):
    folder, sources, targets = world
    found = conversion.score_conversions(
        sources, folder / "converted", targets, folder / "reconstructed", make_judges=judges
    )
    table = {row["row"]: row for row in found.rows}
    baselines = ["recordings", "µ-law copy", "recordings of the reconstructed"]
    assert list(table) == [*baselines, "reconstruction", "conversion", "recordings of the targets"]
    assert table["recordings"]["WER"].value == 0 and table["recordings"]["WER"].n == 2
    assert table["recordings"]["similarity to source"].value == pytest.approx(1)
    # 4 conversions of 3 words; the second is heard as "one": 2 of 12 words are lost.
    converted = table["conversion"]
    assert converted["WER"].value == pytest.approx(2 / 12) and converted["WER"].n == 4
    assert converted["WER to ASR of source"].value == pytest.approx(2 / 12)
    # [0.6, 0.8] is nearer to u than to t.
    assert converted["target is nearest"].value == pytest.approx(3 / 4)
    assert converted["nearer to target than source"].value == pytest.approx(2 / 4)
    assert converted["similarity to target"].value == pytest.approx((1 + 1 + 0 + 0.8) / 4)
    assert converted["DNSMOS"].value == pytest.approx((0.1 + 0.2 + 0.2 + 0.3) / 4, abs=1e-3)
    assert table["reconstruction"]["WER"] is None and table["reconstruction"]["WER to ASR of source"].value == 0
    assert table["recordings of the targets"]["target is nearest"].value == 1
    # Each clip's claim of its target, and those of the other target and of the source.
    assert converted["EER"].value == pytest.approx(equal_error_rate(
        np.array([1, 1, 0, 0.8]), np.array([0, 0.6, 0, 0.8, 1, 0.8, 0.6, 1])
    ))  # fmt: skip
    assert converted["EER"].n == 4 and table["recordings"]["EER"].value == 0
    heard = {(d["row"], d["target"], d["utterance"]): d["heard"] for d in found.details}
    assert heard["conversion", "u", "s-600"] == "one" and heard["recordings", "s", "s-800"] == "seven eight nine"
    assert any("hearing" in note for note in found.notes) and not found.skipped.reasons


def test_intervals_redraw_source_and_target_speakers_where_there_are_enough(tmp_path, monkeypatch):
    """Of twelve readers, each heard or not heard as a whole, and four targets, rated by themselves."""
    pytest.importorskip("jiwer")
    sound = partial(write_sound, tmp_path)
    trials, estimate_eer = [], conversion.estimate_eer
    monkeypatch.setattr(conversion, "estimate_eer", lambda *args: trials.append(args[2]) or estimate_eer(*args))
    readers, peaks = [f"r{i:02}" for i in range(12)], {"t": 0.1, "u": 0.2, "v": 0.3, "w": 0.4}
    found = {}
    for count in (4, 12):
        folder = tmp_path / str(count)
        sources, targets = (
            [],
            [
                Utterance(f"{who}-{i}", who, sound(f"{who}-{i}.wav", 650, peak))
                for who, peak in peaks.items()
                for i in "ab"
            ],
        )
        for i in range(24):
            name, length = f"{readers[i % count]}-{i:02}", (600, 650)[i % count % 2]
            sources.append(Utterance(name, name[:3], sound(f"{name}.wav", 600, 0.3), text=TEXTS[600]))
            for who, peak in peaks.items():
                sound(f"{count}/{who}/{name}.wav", length, peak)
        made = conversion.score_conversions(DataDir(sources), folder, DataDir(targets), make_judges=judges)
        found[count] = ({row["row"]: row for row in made.rows}["conversion"], made.notes[0])
        assert made.pitch_notes[0] == made.notes[0]
    few, many = found[4][0], found[12][0]
    assert "4 speakers to 4 targets; intervals redraw source utterances" in found[4][1]
    assert "12 speakers to 4 targets; intervals redraw source speakers and target speakers" in found[12][1]
    pairs = {(reader, who) for reader in readers for who in peaks}
    assert any(set(groups) == pairs and len(groups) == 96 for groups in trials), "equal error rates redraw both, too"
    # Ratings are those of the targets alone: by source utterances they have no spread.
    assert few["DNSMOS"].value == many["DNSMOS"].value and few["DNSMOS"].high - few["DNSMOS"].low < 1e-9
    ratings, generator = list(peaks.values()), np.random.default_rng(0)
    redrawn = [np.mean(generator.choice(ratings, 4)) for _ in range(4000)]
    assert [many["DNSMOS"].low, many["DNSMOS"].high] == pytest.approx(np.percentile(redrawn, [2.5, 97.5]), abs=0.02)
    # Words are those of the sources alone: by readers their spread is that of twelve, not of 24.
    lost = [0.0, 2 / 3] * 6
    redrawn = [np.mean(generator.choice(lost, 12)) for _ in range(4000)]
    assert many["WER"].value == pytest.approx(1 / 3)
    assert [many["WER"].low, many["WER"].high] == pytest.approx(np.percentile(redrawn, [2.5, 97.5]), abs=0.03)


def test_bad_clips_are_skipped_and_named(world):
    folder, sources, targets = world
    (folder / "converted/t/s-800.wav").write_bytes(b"")
    (folder / "converted/t/stranger.wav").write_bytes(b"")
    found = conversion.score_conversions(sources, folder / "converted", targets, make_judges=judges)
    assert {row["row"]: row for row in found.rows}["conversion"]["DNSMOS"].n == 4
    assert sorted(name.split("/")[-1] for name in found.skipped.reasons) == ["conversion t s-800", "stranger.wav"]


def test_nothing_to_judge(world):
    folder, sources, targets = world
    with pytest.raises(CorpusError, match="vqspeech convert"):
        conversion.score_conversions(sources, folder / "none", targets.subset(speakers=["t"]), make_judges=judges)
    with pytest.raises(SpeakerError, match="no recordings of target u"):
        conversion.score_conversions(sources, folder / "converted", targets.subset(speakers=["t"]), make_judges=judges)


def test_command(world, monkeypatch, capsys):
    folder, sources, targets = world
    monkeypatch.setattr("vqspeech.metrics.judges.load_judges", judges)
    sources.write(folder / "sources")
    targets.write(folder / "targets")
    command = ["score", "conversion", "--data", str(folder / "sources"), "--converted", str(folder / "converted"),
               "--targets-data", str(folder / "targets"), "--out", str(folder / "scores.json")]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "| conversion | 4 |" in said and "mel-cepstral distance (dB)" in said
    sections = scores.read(folder / "scores.json")["sections"]
    assert list(sections) == ["conversion", "conversion: pitch and spectrum"]
    (folder / "converted/t/stranger.wav").write_bytes(b"")
    assert main(command) == 3


def test_pitch_and_spectrum(tmp_path):
    """A source of 120 Hz; one conversion carries its melody to a voice of 240 Hz, the other is a monotone of 120 Hz."""
    pytest.importorskip("jiwer")

    def sing(name, f0, swing, seed=0):
        time = np.arange(2 * audio.RATE) / audio.RATE
        phase = 2 * np.pi * np.cumsum(f0 * 2 ** (swing * np.sin(2 * np.pi * 1.5 * time) / 12)) / audio.RATE
        audio.write(tmp_path / name, np.sum([0.3 / k * np.sin(k * phase + seed) for k in range(1, 20)], axis=0))
        return str(tmp_path / name)

    sources = DataDir([Utterance("s-1", "s", sing("s-1.wav", 120, 2)), Utterance("s-2", "s", sing("s-2.wav", 125, 2))])
    targets = DataDir(Utterance(f"t-{i}", "t", sing(f"t-{i}.wav", 240, 2, i)) for i in (1, 2))
    sing("converted/t/s-1.wav", 240, 2)
    sing("converted/t/s-2.wav", 125, 0)
    sing("reconstructed/s-1.wav", 120, 2)
    found = conversion.score_conversions(
        sources, tmp_path / "converted", targets, tmp_path / "reconstructed", make_judges=judges
    )
    rows = {row["row"]: row for row in found.pitch_rows}
    assert rows["conversion"][conversion.PITCH_COLUMNS[0]].value == pytest.approx(
        (0 + 12 * np.log2(240 / 125)) / 2, abs=0.2
    )
    assert rows["conversion"][conversion.PITCH_COLUMNS[2]].value == pytest.approx((12 + 0) / 2, abs=0.2)
    assert rows["conversion"]["F0 deviation / the voice's"].value == pytest.approx(1 / 2, abs=0.05)
    same = rows["reconstruction"]
    assert same["F0 correlation with the source"].value == pytest.approx(1)
    assert same["voicing as in the source"].value == 1 and same["mel-cepstral distance (dB)"].value < 0.1
    assert same["F0 deviation / the voice's"].value == pytest.approx(1, abs=0.05), "the other recording of the source"
    assert rows["µ-law copy"]["F0 correlation with the source"].value > 0.99
    assert rows["µ-law copy"]["mel-cepstral distance (dB)"].value > 1
    assert rows["conversion"]["mel-cepstral distance (dB)"] is None, "nobody has said it in that voice"
    assert rows["recordings"]["F0 correlation with the source"] is None
