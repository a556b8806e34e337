"""Devices by name."""

import pytest
import torch

from tests.models.test_vqvae import model
from vqspeech import VQVAE
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.models.coder import Coder


def test_a_device_by_name_or_as_it_is():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device(None).type in ("cpu", "cuda", "mps", "xpu")


@pytest.mark.parametrize("name", ["nowhere", "cuda:99", "meta", "cpu:x", 99, torch.device("cuda:99"), 1.5, "mps:7"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(ConfigError, match=r"no device .*; there is cpu"):
        resolve_device(name)


@pytest.mark.parametrize("kind", [VQVAE, Coder])
def test_models_are_read_to_a_device(kind, tmp_path):
    made = model()
    made.save_pretrained(tmp_path / "best.safetensors")
    for where in ("cpu", torch.device("cpu")):
        assert kind.from_pretrained(tmp_path, device=where).fingerprint() == made.fingerprint()
    with pytest.raises(ConfigError, match="no device 'cuda:99'"):
        kind.from_pretrained(tmp_path, device="cuda:99")
