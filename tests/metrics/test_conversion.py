import numpy as np
import pytest

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError, SpeakerError
from vqspeech.metrics import conversion

TEXTS = {600: "one two three", 700: "four five six", 800: "seven eight nine"}
VOICES = {0.1: [1.0, 0.0], 0.2: [0.0, 1.0], 0.3: [0.6, 0.8]}


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


def judges():
    return conversion.Judges(Hearing(), Loudness(), Loudness())


@pytest.fixture
def world(tmp_path):
    """Two sources of speaker s (peak 0.3), voices t and u (0.1, 0.2), and conversions that fail in known ways."""
    pytest.importorskip("jiwer")

    def sound(name, length, peak):
        path = tmp_path / name
        audio.write(path, peak * np.sign(np.sin(np.arange(10 * length) / 9)))
        return str(path)

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
    rows, details, notes, skipped = conversion.scored(
        sources, folder / "converted", targets, folder / "reconstructed", make_judges=judges
    )
    table = {row["row"]: row for row in rows}
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
    heard = {(d["row"], d["target"], d["utterance"]): d["heard"] for d in details}
    assert heard["conversion", "u", "s-600"] == "one" and heard["recordings", "s", "s-800"] == "seven eight nine"
    assert any("hearing" in note for note in notes) and not skipped.reasons


def test_bad_clips_are_skipped_and_named(world):
    folder, sources, targets = world
    (folder / "converted/t/s-800.wav").write_bytes(b"")
    (folder / "converted/t/stranger.wav").write_bytes(b"")
    rows, _, _, skipped = conversion.scored(sources, folder / "converted", targets, make_judges=judges)
    assert {row["row"]: row for row in rows}["conversion"]["DNSMOS"].n == 4
    assert sorted(name.split("/")[-1] for name in skipped.reasons) == ["conversion t s-800", "stranger.wav"]


def test_nothing_to_judge(world):
    folder, sources, targets = world
    with pytest.raises(CorpusError, match="vqspeech convert"):
        conversion.scored(sources, folder / "none", targets.subset(speakers=["t"]), make_judges=judges)
    with pytest.raises(SpeakerError, match="no recordings of target u"):
        conversion.scored(sources, folder / "converted", targets.subset(speakers=["t"]), make_judges=judges)


def test_command(world, monkeypatch, capsys):
    folder, sources, targets = world
    monkeypatch.setattr(conversion, "default_judges", judges)
    sources.write(folder / "sources")
    targets.write(folder / "targets")
    command = ["score", "conversion", "--data", str(folder / "sources"), "--converted", str(folder / "converted"),
               "--targets-data", str(folder / "targets"), "--out", str(folder / "scores.json")]  # fmt: skip
    assert main(command) == 0
    assert "| conversion | 4 |" in capsys.readouterr().out
    (folder / "converted/t/stranger.wav").write_bytes(b"")
    assert main(command) == 3
