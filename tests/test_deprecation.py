"""Old names: they work with one warning wherever configurations are resolved, and not beside the new name."""

import json
import warnings

import pytest
import torch

from vqspeech import conf, deprecation
from vqspeech.errors import ConfigError, SpeakerError
from vqspeech.models import checkpoint
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.sweep import _combinations


@pytest.fixture(autouse=True)
def names(monkeypatch):
    monkeypatch.setattr(deprecation, "_warned", set())
    monkeypatch.setattr(deprecation, "CONFIG_KEYS", {"training.pace": "training.lr", "decoder.depth": "decoder.layers"})
    monkeypatch.setattr(deprecation, "VERBS", {"vision sample-video": "vision sample"})
    monkeypatch.setattr(deprecation, "OPTIONS", {"train --say": "--log", "vision sample --say": "--log"})


def test_an_old_key_in_overrides():
    with pytest.warns(FutureWarning, match=r"'training.pace' is now 'training.lr'"):
        assert conf.load_config("mini_world", ["training.pace=0.5"])["training"]["lr"] == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns once
        assert conf.load_config("mini_world", ["++training.pace=0.5"])["training"]["lr"] == 0.5
    with pytest.raises(ConfigError, match="'training.pace' is the old name of 'training.lr', and both are given"):
        conf.load_config("mini_world", ["training.pace=0.5", "training.lr=1"])


def test_an_old_key_in_a_sweep():
    with pytest.warns(FutureWarning, match=r"decoder.depth"):
        overrides = deprecation.rename_overrides(["decoder.depth=1,2", "quantizer=ema"])
    assert overrides == ["decoder.layers=1,2", "quantizer=ema"]
    assert _combinations(overrides)[0] == [["decoder.layers=1", "quantizer=ema"], ["decoder.layers=2", "quantizer=ema"]]


def test_an_old_key_in_a_configuration():
    config = conf.load_config("mini_world")
    old = {name: group for name, group in config.items() if name != "training"}
    decoder = {("depth" if key == "layers" else key): value for key, value in config["decoder"].items()}
    with pytest.warns(FutureWarning, match=r"'decoder.depth' is now 'decoder.layers'"):
        model = VQVAE({**old, "decoder": decoder}, ["a"])
    assert model.config == old
    with pytest.raises(ConfigError, match="both are given"):
        VQVAE({**old, "decoder": {**decoder, "layers": 2}}, ["a"])


def test_an_old_key_in_a_checkpoint_is_read_without_a_warning(tmp_path):
    about = {"config": {"decoder": {"name": "x", "depth": 3}}, "training": {"pace": 0.5}, "step": 1}
    checkpoint.write(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, about)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = checkpoint.read(tmp_path / "a.safetensors")[1]
    assert read == {"config": {"decoder": {"name": "x", "layers": 3}}, "training": {"lr": 0.5}, "step": 1}
    assert json.dumps(about).count("depth") == 1, "what was given is not changed"


def test_names_of_version_0_1_in_python():
    with pytest.warns(FutureWarning, match=r"'VQVAE.voice_of' is now 'VQVAE.make_voice'"), pytest.raises(SpeakerError):
        VQVAE(conf.load_config("mini_world"), ["a"]).voice_of([])


def test_nested_keys_and_groups(monkeypatch):
    monkeypatch.setattr(deprecation, "CONFIG_KEYS", {"decoder.frames.depth": "decoder.frames.layers"})
    for config, where in (({"decoder": {"frames": {"depth": 1}}}, ""), ({"frames": {"depth": 1}}, "decoder")):
        renamed = deprecation.rename_keys(config, where, warn=False)
        assert json.dumps(renamed) == json.dumps(config).replace("depth", "layers")
    assert deprecation.rename_keys({"decoder": None}) == {"decoder": None}


def test_verbs_and_options():
    with pytest.warns(FutureWarning) as warned:
        found = deprecation.rename_arguments(["vision", "sample-video", "--say=3", "--", "--say"])
    assert found == ["vision", "sample", "--log=3", "--", "--say"]
    assert [str(one.message).split(";")[0] for one in warned] == [
        "'vqspeech vision sample-video' is now 'vqspeech vision sample'", "'--say' is now '--log'",
    ]  # fmt: skip
    assert deprecation.rename_arguments(["encode", "--say", "x"]) == ["encode", "--say", "x"]
    assert deprecation.rename_arguments([]) == []
