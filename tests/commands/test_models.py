"""Choosing a model: models, export, and the models of the toolkit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, buzz
from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE, audio, pretrained
from vqspeech.cli import main
from vqspeech.commands.loading import load_coder
from vqspeech.errors import FAILED, CheckpointError
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.metrics.reports import scores
from vqspeech.models import checkpoint


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and two models of the toolkit: `voice`, the default, and `a`, a WaveNet."""
    monkeypatch.delenv("VQSPEECH_MODEL", raising=False)
    folder = tmp_path / "installed"
    small_model(speakers=("p", "q")).save_pretrained(folder / "voice.safetensors", torch.float16)
    small_model("vctk", speakers=("r", "s")).save_pretrained(folder / "a.safetensors")
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def trained(path: str, **about) -> Path:
    """The best checkpoint of an experiment with the voices `high` and `low`."""
    small_model().save_pretrained(Path(path) / "best.safetensors", **about)
    return Path(path) / "best.safetensors"


def voices(capsys: pytest.CaptureFixture, *options: str) -> tuple[str, str]:
    assert main(["speakers", *options]) == 0
    said = capsys.readouterr()
    return " ".join(line.split("\t")[0] for line in said.out.splitlines()), said.err


def test_which_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    path = trained("exp/mine")
    assert voices(capsys) == ("p q", "model: voice (`vqspeech models` lists all)\n"), "also where there is an exp/"
    for named, found in (("voice", "p q"), ("a", "r s"), (str(path), "high low"), ("exp/mine", "high low")):
        assert voices(capsys, "--model", named) == (found, ""), "nothing to say of what was named"
    monkeypatch.setenv("VQSPEECH_MODEL", "exp/mine")
    assert voices(capsys) == ("high low", "model: exp/mine (`vqspeech models` lists all)\n")
    assert voices(capsys, "--model", "a")[0] == "r s"
    assert main(["speakers", "--model", "exp"]) == FAILED
    assert "no such checkpoint; `vqspeech models`" in capsys.readouterr().err


def test_from_python():
    trained("exp/mine")
    found = [VQVAE.from_pretrained(name).speakers for name in (None, "a", "exp/mine", Path("exp/mine"))]
    assert found == [["p", "q"], ["r", "s"], ["high", "low"], ["high", "low"]]


def test_models(capsys: pytest.CaptureFixture):
    trained("exp/mine")
    trained("mini/exp/x")
    Path("exp/bad").mkdir()
    Path("exp/bad/best.safetensors").write_bytes(b"no")
    checkpoint.write("exp/prior/best.safetensors", {}, {"config": {"prior": {}}, "speakers": []})
    assert main(["models"]) == 0
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()[1:]]
    assert [" ".join(line[:-6]) for line in lines] == ["voice (default)", "a", "exp/mine", "mini/exp/x"]
    assert lines[0][-6:-2] == ["world", "100", "500", "2"] and lines[0][-1] == "MB"
    assert lines[1][-6:-2] == ["wavenet", "250", "1,250", "2"]
    assert "exp/bad/best.safetensors: truncated" in said.err
    assert "exp/prior/best.safetensors: not a model of speech" in said.err


def test_half_the_size():
    made, wave = small_model(), buzz(0.7, 150)
    made.genders = {"high": "f"}
    for name, dtype in (("whole", torch.float32), ("half", torch.float16)):
        made.save_pretrained(f"{name}.safetensors", dtype)
    whole, half = (VQVAE.from_pretrained(f"{name}.safetensors") for name in ("whole", "half"))
    assert {tensor.dtype for tensor in half.parameters()} == {torch.float32}
    assert half.genders == {"high": "f"}
    assert Path("half.safetensors").stat().st_size < 0.6 * Path("whole.safetensors").stat().st_size
    assert (half.encode(wave) == whole.encode(wave)).mean() > 0.9
    half.save_pretrained("again.safetensors", torch.float16)
    assert VQVAE.from_pretrained("again.safetensors").fingerprint() == half.fingerprint() != whole.fingerprint()
    with torch.no_grad():
        made.decoder.speaker.weight[0] = 1e5
    with pytest.raises(CheckpointError, match="too large for torch.float16"):
        made.save_pretrained("half.safetensors", torch.float16)
    assert VQVAE.from_pretrained("half.safetensors").fingerprint() == half.fingerprint(), "the old one is kept"


def test_export(capsys: pytest.CaptureFixture):
    path = trained("exp/mine", step=7, training={"seed": 3}, command="vqspeech train --conf x")
    rows = [{"row": "conversion", "CER": Estimate(0.1234, 0.1, 0.2, 5)}]
    scores.add_rows("exp/mine/scores.json", "conversion", rows, "vqspeech score conversion", notes=["of five"])
    scores.add_rows("exp/mine/scores.json", "secret", [{"row": "x"}])
    Path("about.md").write_text("Learned from birds, CC BY 4.0.\n")
    Path("data").mkdir()
    for name, text in {"wav.scp": "low-1 x.wav\n", "utt2spk": "low-1 low\n", "spk2gender": "low m\n"}.items():
        Path("data", name).write_text(text)
    assert main(["export", "--model", "exp/mine", "--out", "out/bird.safetensors", "--about", "about.md",
                 "--data", "data"]) == 0  # fmt: skip
    assert capsys.readouterr().out == "out/bird.safetensors\nout/bird.md\n"
    made = VQVAE.from_pretrained("out/bird.safetensors")
    assert made.genders == {"low": "m"} and made.speakers == ["high", "low"]
    tensors, about = checkpoint.read("out/bird.safetensors")
    assert {tensors[name].dtype for name, _ in made.named_parameters(prefix="model")} == {torch.float16}
    assert torch.equal(tensors["model.pitch"], small_model().pitch)
    assert (about["step"], about["training"]) == (7, {"seed": 3})
    card = Path("out/bird.md").read_text()
    for part in ("# bird\n\nLearned from birds, CC BY 4.0.\n", "- seed: 3", "- command: vqspeech train --conf x",
                 made.fingerprint(), "| low | m | 99 |", "0.123 [0.100, 0.200]", "- of five",
                 '"codes": 32'):  # fmt: skip
        assert part in card, part
    assert "secret" not in card
    for out, message in (("out/bird", "end it in .safetensors"), (str(path), "which would be lost")):
        assert main(["export", "--model", "exp/mine", "--out", out]) == FAILED
        assert message in capsys.readouterr().err


def test_export_in_eight_bits_and_shared(capsys: pytest.CaptureFixture):
    trained("exp/mine")
    half, small, whole = (Path("out", f"{name}.safetensors") for name in ("half", "small", "whole"))
    for out, options in ((half, ()), (small, ("--int8", "decoder")), (whole, ("--int8",))):
        assert main(["export", "--model", "exp/mine", "--out", str(out), *options]) == 0
    codes = VQVAE.from_pretrained(half).fingerprint()
    assert VQVAE.from_pretrained(small).fingerprint() == codes, "the codes stay what they are"
    assert VQVAE.from_pretrained(whole).fingerprint() != codes
    decoders = [VQVAE.from_pretrained(path).decoder.state_dict() for path in (small, whole)]
    assert all(torch.equal(decoders[0][name], decoders[1][name]) for name in decoders[0])
    both = Path("out", "both.safetensors")
    assert main(["export", "--model", "exp/mine", "--out", str(both), "--int8", "--share", str(whole)]) == 0
    assert both.stat().st_size < whole.stat().st_size / 2
    assert VQVAE.from_pretrained(both).fingerprint() == VQVAE.from_pretrained(whole).fingerprint()
    capsys.readouterr()
    whole.unlink()
    audio.write("a.wav", buzz(0.5, 130))
    assert main(["convert", "--model", str(both), "--src", "a.wav", "--speaker", "low", "--out", "b.wav"]) == FAILED
    assert "whole.safetensors, which is not beside it" in capsys.readouterr().err


def test_what_comes_along(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """The models of the package itself."""
    monkeypatch.setattr(pretrained, "FOLDER", ROOT / "vqspeech" / "pretrained")
    found = pretrained.list_models()
    assert pretrained.DEFAULT in found, "`vqspeech convert` works out of the box"
    assert sum(path.stat().st_size for path in found.values()) <= 25e6
    audio.write("a.wav", buzz(1.0, 130))
    for path in found.values():
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        model = load_coder(path)
        assert model.fingerprint() in card, "the card is of this very model"
        assert model.genders.keys() == set(model.speakers) and "CC BY 4.0" in card and "seed" in card
    voice = VQVAE.from_pretrained().speakers[0]
    assert main(["convert", "--src", "a.wav", "--speaker", voice, "--out", "b.wav"]) == 0
    assert np.isfinite(audio.read_waveform("b.wav")).all() and len(audio.read_waveform("b.wav")) == audio.RATE
    assert "model: voice" in capsys.readouterr().err
