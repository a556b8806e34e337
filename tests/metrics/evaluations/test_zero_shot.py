import numpy as np
import pytest

from tests.metrics.evaluations.test_conversion import judges
from tests.models.recorded import voice_model, vowels
from tests.models.test_vqvae import model as world_model
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError
from vqspeech.metrics.evaluations.zero_shot import JUDGED, plan_conversions, read_references
from vqspeech.metrics.reports import scores


def speakers(names, count: int = 6, seconds: float = 2.0) -> DataDir:
    return DataDir(
        Utterance(f"{name}-{i}", name, f"{name}-{i}.wav", text="one two", seconds=seconds)
        for name in names
        for i in range(count)
    )


def test_who_is_converted_to_whom():
    data = speakers("abcdefg")
    plan = plan_conversions(data, data, each=3, seconds=3.0, per_speaker=2)
    assert len(plan.sources) == 14 and set(plan.told) == set("abcdefg")
    for utterance in plan.sources:
        goals = plan.targets[utterance.id]
        assert len(set(goals)) == 3 and utterance.speaker not in goals
    counts = [sum(name in goals for goals in plan.targets.values()) for name in "abcdefg"]
    assert max(counts) - min(counts) <= 2, "targets are used alike"
    for name, told in plan.told.items():
        judged = plan.judged.by_speaker[name]
        assert len(told) == 2 and len(judged) == 4 >= JUDGED
        assert not {one.id for one in told} & {one.id for one in judged}
    again = plan_conversions(data, data, each=3, seconds=3.0, per_speaker=2)
    assert again.targets == plan.targets and again.told == plan.told
    with pytest.raises(CorpusError, match="0 target speakers have 9 s"):
        plan_conversions(data, data, each=3, seconds=9.0)
    with pytest.raises(CorpusError, match="at least 4 are needed"):
        plan_conversions(data, speakers("abc"), each=3, seconds=3.0)


def test_reference_is_of_so_many_seconds(tmp_path):
    for i in range(3):
        audio.write(tmp_path / f"{i}.wav", vowels(200, 1.0))
    some = [Utterance(f"a-{i}", "a", str(tmp_path / f"{i}.wav")) for i in range(3)]
    assert [len(wave) for wave in read_references(some, 1.5)] == [16000, 8000]
    assert sum(len(wave) for wave in read_references(some, 60)) == 48000


def test_command(tmp_path, monkeypatch, capsys):
    """Two sources, three targets, two systems: the rows, and clips of the right voices."""
    pytest.importorskip("jiwer")
    monkeypatch.setattr("vqspeech.metrics.judges.load_judges", judges)
    voice_model().save_pretrained(tmp_path / "model.safetensors")
    world_model(speakers=("p", "q")).save_pretrained(tmp_path / "old.safetensors")
    data = {"sources": ("a", "b"), "targets": ("p", "q", "r")}
    for kind, names in data.items():
        found = []
        for k, name in enumerate(names):
            for i in range(6):
                path = tmp_path / f"{name}-{i}.wav"
                audio.write(path, vowels(100 + 40 * k, 1.5 if kind == "targets" else 0.6, 400 + 100 * k))
                found.append(Utterance(f"{name}-{i}", name, str(path), text="one", seconds=1.5))
        DataDir(found).write(tmp_path / kind)
    words = ["score", "conversion", "--data", tmp_path / "sources", "--targets-data", tmp_path / "targets", "--like", 2,
             "--model", tmp_path / "model.safetensors", "--beside", tmp_path / "old.safetensors", "--per-speaker", 1,
             "--audio", tmp_path / "audio", "--out", tmp_path / "scores.json"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    rows = {row["row"]: row for row in scores.read(tmp_path / "scores.json")["sections"]["conversion"]["rows"]}
    assert set(rows) >= {"recordings", "WORLD copy synthesis", "own voice", "like 2 s", "old, its voices"}
    assert rows["like 2 s"]["DNSMOS"]["n"] == 4 and rows["like 2 s"]["EER beside recordings"]["n"] == 4
    assert rows["recordings"]["DNSMOS"]["n"] == 2
    clips = sorted(
        path.relative_to(tmp_path / "audio" / "like-2") for path in (tmp_path / "audio/like-2").glob("*/*.wav")
    )
    assert len(clips) == 4 and {path.parent.name for path in clips} <= set("pqr")
    first = tmp_path / "audio" / "like-2" / clips[0]
    own = tmp_path / "audio" / "own" / clips[0].name
    assert not np.allclose(audio.read_waveform(first), audio.read_waveform(own), atol=1e-2)
    capsys.readouterr()
    words[words.index("--model") + 1] = tmp_path / "old.safetensors"
    assert main([str(word) for word in words]) == 1
    assert "only the voices that it has learned" in capsys.readouterr().err
