"""The examples of the documentation work where the documentation says that they go, and are short."""

import importlib
import json
import sys

import numpy as np
import pytest
import soundfile
import torch

from tests.docs.blocks import ROOT
from tests.models.recorded import vowels
from vqspeech import VQVAE, audio
from vqspeech.cli import main
from vqspeech.commands import prepare, score
from vqspeech.conf import load_config
from vqspeech.data.datadir import DataDir
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import CorpusError
from vqspeech.models.decoders import DECODER
from vqspeech.models.quantize import QUANTIZER, make_quantizer

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.fixture(autouse=True)
def examples_are_importable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


def test_corpus(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "vqspeech.data.corpora.flat", importlib.import_module("flat_corpus"))
    monkeypatch.setitem(prepare.CORPORA, "flat", "an example")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("anna_1", "bert b_1", "nobody", "bert b_2"):
        soundfile.write(corpus / f"{name}.wav", vowels(120, 0.5), audio.RATE)
    (corpus / "anna_2.wav").write_bytes(b"RIFF")
    (corpus / "sentences.tsv").write_text("1\tone two\n")
    assert main(["prepare", "flat", "--corpus", str(corpus), "--out", str(tmp_path / "data")]) == 3  # one unreadable
    printed = capsys.readouterr().out
    assert "found 5 recordings" in printed and "a name without speaker (nobody.wav)" in printed
    data = DataDir.read(tmp_path / "data")
    assert {one.id: one.text for one in data} == {"anna-1": "one two", "bert_b-1": "one two", "bert_b-2": None}
    assert main(["validate", str(tmp_path / "data")]) == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="sentences.tsv"):
        importlib.import_module("flat_corpus").prepare(tmp_path / "empty")


def test_quantizer(monkeypatch):
    monkeypatch.setitem(QUANTIZER.kinds, "online", importlib.import_module("online_codebook").OnlineCodebook)
    book = make_quantizer("online", codes=2, dimension=1, rate=0.5, revive_below=0)
    book.start(torch.tensor([[0.0], [10.0]]))
    book(torch.tensor([[[1.0, 3.0, 100.0]]]), torch.tensor([[True, True, False]]))
    assert book.weight.flatten().tolist() == pytest.approx([1.0, 10.0])  # half way to the mean of 1 and 3
    torch.manual_seed(0)
    book = make_quantizer("online", codes=8, dimension=2, initial="uniform")
    z = torch.randn(4, 2, 100)
    mask = torch.ones(4, 100, dtype=torch.bool)
    errors = [float((book(z, mask).vectors - z).square().mean()) for _ in range(100)]
    assert errors[-1] < 0.7 * errors[0]


def test_decoder(monkeypatch):
    monkeypatch.setitem(DECODER.kinds, "frame", importlib.import_module("frame_decoder").FrameDecoder)
    config = load_config("mini_world", ["encoder.channels=16", "encoder.latents=8", "quantizer.codes=16"])
    config = {name: group for name, group in config.items() if name != "training"} | {"decoder": {"name": "frame"}}
    torch.manual_seed(0)
    model = VQVAE(config, ["anna", "bert"])
    wave = vowels(120, 1.28)
    samples = torch.from_numpy((wave * 32767).astype(np.int16))[None].repeat(2, 1)
    lengths = torch.full((2,), samples.shape[1])
    batch = SpeechBatch(samples, lengths, torch.tensor([0, 1]), torch.tensor([[[0.0], [1.0]]]).repeat(2, 1, 13), None)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = model(batch)[0]["samples"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    model.eval()
    long = np.tile(wave, 20)  # more than one chunk
    both = model.convert_many([wave, long], ["anna", "bert"])
    np.testing.assert_allclose(both[0], model.convert(wave, "anna"), atol=1e-5)
    assert len(both[1]) == len(long)


def test_metric(tmp_path, monkeypatch, capsys):
    module = importlib.import_module("level_score")
    assert module.measure_level(np.full(100, 0.1, np.float32)) == pytest.approx(-20)
    monkeypatch.setitem(sys.modules, "vqspeech.commands.score_level", module)
    monkeypatch.setattr(score, "SCORES", (*score.SCORES, "level"))
    for i, level in enumerate((0.1, 0.01)):
        path = tmp_path / "corpus" / "anna" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(8000, level) * (-1.0) ** np.arange(8000), audio.RATE, subtype="FLOAT")
    assert main(["prepare", "folder", "--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "data")]) == 0
    assert main(["score", "level", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "s.json")]) == 0
    assert "level (dB)" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "s.json").read_text())["sections"]["level"]["rows"]
    assert row["level (dB)"]["value"] == pytest.approx(-30, abs=1e-3)
