"""A new score is one module and its name in the registry."""

import json

import pytest

import vqspeech.commands
from vqspeech.cli import main
from vqspeech.commands import score

MODULE = '''
"""The score of the length of recordings."""

from matplotlib.figure import Figure

from vqspeech import audio
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.metrics.measures.bootstrap import estimate_ratio


def measure(args):
    seconds = [len(audio.read_waveform(one.path)) / audio.RATE for one in DataDir.read(args.data)]
    yield Table([{"row": "all", "length (s)": estimate_ratio(seconds)}], ["of whole files"], seed=args.seed)
    yield Table([{"row": "longest", "length (s)": max(seconds)}], name="longest", figures={"length": Figure()})
    return 3


SCORE = Score(
    "length",
    "Measure the length of recordings.",
    measure,
    arguments=[argument("--data", required=True, metavar="DATA", help="data directory")],
    columns={"length (s)": "mean length"},
    example="vqspeech score length --data data/dev --out scores.json",
    seed=True,
)
'''


@pytest.fixture
def length(tmp_path, monkeypatch):
    (tmp_path / "score_length.py").write_text(MODULE)
    monkeypatch.setattr(vqspeech.commands, "__path__", [*vqspeech.commands.__path__, str(tmp_path)])
    monkeypatch.setattr(score, "SCORES", (*score.SCORES, "length"))


def test_a_new_score(length, small_data, tmp_path, capsys):
    small_data.write(tmp_path / "data")
    out = tmp_path / "scores.json"
    assert main(["score", "length", "--data", str(tmp_path / "data"), "--out", str(out), "--seed", "7"]) == 3
    sections = json.loads(out.read_text())["sections"]
    assert sections["length"]["rows"][0]["length (s)"]["value"] == pytest.approx(1.0)
    assert sections["length"]["seed"] == 7 and sections["length"]["notes"] == ["of whole files"]
    assert "length: longest" in sections and (tmp_path / "pictures" / "length.png").is_file()
    assert "of whole files" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["score", "length", "--help"])
    shown = capsys.readouterr().out
    assert "length (s): mean length" in shown and "Example: vqspeech score length" in shown
