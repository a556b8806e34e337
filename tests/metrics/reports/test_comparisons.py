import json

import pytest

from vqspeech.cli import main
from vqspeech.metrics.reports import comparisons, pictures, scores
from vqspeech.metrics.reports.scores import ScoresError

SPOKEN = {"WER": 0.5, "DNSMOS": 3.0, "target is nearest": 0.9}


def _model(folder, cer, seen=None, utterances=("a", "b")):
    """The folder of a scored model; `seen`, samples, of a kept one."""
    folder.mkdir()
    cell = {"value": cer, "low": max(0.0, cer - 0.1), "high": cer + 0.2, "n": 2}
    rows = [
        {"row": "recordings", "CER": 0.02, "WER": 0.05, "DNSMOS": 3.2},
        {"row": "conversion", "CER": cell, **SPOKEN},
    ]
    details = [{"row": "conversion", "utterance": name, "target": "low"} for name in utterances]
    details += [{"row": "recordings", "utterance": "a", "target": "high"}]
    scores.add_rows(folder / "scores.json", "conversion", rows, "test", notes=["judged so"], details=details)
    if seen is not None:
        row = {"row": "best checkpoint", "hours of speech seen": seen / 16000 / 3600, "nll": 2 + cer}
        row |= {"loss added by shuffled codes": 0.7}
        scores.add_rows(folder / "scores.json", "training", [row], "test", notes=["measured so"], seed=3)
    return folder


@pytest.fixture
def models(tmp_path):
    kept = [_model(tmp_path / f"k{seen}", cer, seen) for seen, cer in ((40_960_001, 0.1), (20_480, 0.9), (81_920, 0.5))]
    return kept, {"fast decoder": _model(tmp_path / "fast", 0.12)}


def test_a_row_each_the_least_trained_first(models):
    found = comparisons.make_curve_rows(*models)
    assert [row["row"] for row in found] == [
        "recordings", "fast decoder", "after 20,480 samples", "after 81,920 samples", "after 40,960,001 samples",
    ]  # fmt: skip
    assert [row.get("samples seen") for row in found] == [None, None, 20_480, 81_920, 40_960_001], "to the last one"
    assert [row["CER"]["value"] for row in found] == [0.02, 0.12, 0.9, 0.5, 0.1]
    assert found[2]["CER"] == {"value": 0.9, "low": 0.8, "high": 1.1, "n": 2}
    assert [row["held-out nats a sample"]["value"] for row in found[2:]] == [2.9, 2.5, 2.1]
    assert "target is nearest" not in found[0] and "held-out nats a sample" not in found[1]


def test_picture(models):
    axes, quality = pictures.draw_training_curve(comparisons.make_curve_rows(*models)).axes
    assert axes.get_xscale() == "log" and quality.get_title() == "DNSMOS of conversions"
    [bars] = axes.containers
    assert bars[0].get_xdata().tolist() == [20_480, 81_920, 40_960_001]
    lows = [segment[0][1] for segment in bars[2][0].get_segments()]
    assert lows == pytest.approx([0.8, 0.4, 0.0]), "an interval may end at 0"
    assert [line.get_label() for line in axes.get_lines() if "_" not in str(line.get_label())][-2:] == [
        "recordings", "fast decoder",
    ]  # fmt: skip


def test_other_sentences_are_no_comparison(models, tmp_path):
    kept, beside = models
    other = _model(tmp_path / "other", 0.3, 160_000, ("a", "c"))
    with pytest.raises(ScoresError, match="other: 2 conversions .* of which 1 are among the 2 of the first model"):
        comparisons.make_curve_rows([*kept, other], beside)
    with pytest.raises(ScoresError, match="fewer: 1 conversions"):
        comparisons.make_curve_rows(kept, {"fewer": _model(tmp_path / "fewer", 0.1, utterances=("a",))})


def test_what_is_missing_is_named_with_its_command(models):
    kept, beside = models
    content = scores.read(kept[1] / "scores.json")
    del content["sections"]["training"]
    (kept[1] / "scores.json").write_text(json.dumps(content))
    with pytest.raises(ScoresError, match="k20480: .* no hours of speech seen of .* vqspeech score training"):
        comparisons.make_curve_rows(kept, beside)


def test_command(models, tmp_path, capsys):
    kept, beside = models
    out = tmp_path / "exp" / "scores.json"
    out.parent.mkdir()
    named = f"fast decoder={beside['fast decoder']}"
    command = ["score", "curve", *map(str, kept), "--beside", named, "--out", str(out)]
    assert main(command) == 0
    assert "| after 81,920 samples | 2 | " in capsys.readouterr().out
    assert (out.parent / "pictures" / "curve.png").read_bytes()[:4] == b"\x89PNG"
    section = scores.read(out)["sections"]["curve"]
    assert section["seed"] == 3 and {"judged so", "measured so"} <= set(section["notes"])
    with pytest.raises(SystemExit):
        main([*command[:5], "--beside", "fast", "--out", str(out)])
    assert "fast is not NAME=EXP" in capsys.readouterr().err
