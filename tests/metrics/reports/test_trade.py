import json

import pytest

from vqspeech.cli import main
from vqspeech.metrics.reports import comparisons, pictures, scores


def _experiment(folder, rate, codes, bits, cer):
    folder.mkdir()
    path = folder / "scores.json"
    sizes = {"rate (Hz)": rate, "codes": codes, "bit rate (bit/s)": {"value": bits, "n": 3}}
    scores.add_rows(path, "units", [{"row": name, "value": value} for name, value in sizes.items()], "test")
    leak = [{"row": "MFCC", "speaker": 0.9}, {"row": "codes", "speaker": 0.5, "phone": 0.25}]
    scores.add_rows(path, "units: speakers", leak, "test")
    training = {"row": "best checkpoint", "step": 600, "loss added by shuffled codes": 1.5}
    scores.add_rows(path, "training", [training], "test")
    figures = {"CER": {"value": cer, "low": cer - 0.01, "high": cer + 0.02}, "target is nearest": 0.9, "DNSMOS": 3.1}
    scores.add_rows(path, "conversion", [{"row": "recordings", "CER": 0.0}, {"row": "conversion", **figures}], "test",
                    notes=["6 conversions of 3 source utterances of 2 speakers", "judged so"])  # fmt: skip
    return folder


def test_every_model_is_a_row_the_fewest_bits_first(tmp_path):
    folders = [_experiment(tmp_path / "a", 100, 512, 900, 0.1), _experiment(tmp_path / "b", 25, 128, 175, 0.8)]
    found = comparisons.make_trade_rows(folders)
    assert [row["row"] for row in found] == ["25 Hz, K = 128", "100 Hz, K = 512"]
    assert found[0]["CER"] == {"value": 0.8, "low": 0.79, "high": 0.8200000000000001}
    assert [row["speaker told from codes"]["value"] for row in found] == [0.5, 0.5]
    assert found[1]["step"] == {"value": 600}
    assert found[1]["loss added by shuffled codes"] == {"value": 1.5}
    assert pictures.draw_trade(found).axes[0].get_title() == "CER"


def test_the_table_says_of_whom_the_conversions_are_once(tmp_path):
    folders = [_experiment(tmp_path / name, 100, 512, 900, 0.1) for name in "ab"]
    assert main(["score", "trade", *map(str, folders), "--out", str(tmp_path / "scores.json")]) == 0
    notes = scores.read(tmp_path / "scores.json")["sections"]["trade"]["notes"]
    assert [note for note in notes if "speakers" in note][1:] == ["6 conversions of 3 source utterances of 2 speakers"]


def test_a_missing_figure_is_named_with_the_command_that_makes_it(tmp_path):
    folder = _experiment(tmp_path / "a", 100, 512, 900, 0.1)
    content = scores.read(folder / "scores.json")
    del content["sections"]["conversion"]
    (folder / "scores.json").write_text(json.dumps(content))
    with pytest.raises(scores.ScoresError, match="no CER of conversion; make it with: vqspeech score conversion"):
        comparisons.make_trade_rows([folder])
