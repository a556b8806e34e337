"""The models that come along load, make the codes they always made, and are written as they always were."""

import pytest
import torch
from safetensors import safe_open

from vqspeech import pretrained
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.vqvae import VQVAE

FINGERPRINTS = {
    "units": (
        "2e8097f0cbc318e8c7f84616c0ff34db8c7f0f2c60b3a89d539e4a907d8717d8",
        "613620eed62f3a52fe89d6c5b222ac5193b6fcec54a3bfc4ff181661cb0cacee",
    ),
    "units-small": (
        "8bc137372631136735dac8ee6601d8930d2b6e9583da73dea73228f1bf2be271",
        "ec94da2beeed1632d7e803c12be9a811de6c43c80cb4a8799d4af0d407f5ab63",
    ),
    "voice": (
        "f4e4f84f54b6a2173f327d2d2e5b5cf81e05b7e19e7bf0cbcfad28e456ee6ce8",
        "6575c9aa64386e81d389341252fd131c440cf9646426595db9baf46079d0095c",
    ),
    "world": (
        "893402c3ce24b31a63f7be26369a72ab65283967bee001e09a42f38a16e6b81b",
        "dff9a2d6655f2804d3944f7c17f6f45dbf806383f7949777074d2ac597f9e6ee",
    ),
}
"""Fingerprints of the shipped models, and hashes of the headers that they are written with."""


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_shipped_models_load_and_are_written_as_before(name, tmp_path):
    fingerprint, header = FINGERPRINTS[name]
    tensors, metadata = checkpoint.read(pretrained.list_models()[name], "model.")
    model = (VQVAE if "decoder" in metadata["config"] else Coder).from_pretrained(name)
    assert model.fingerprint() == fingerprint
    assert tensors.keys() == model.state_dict().keys(), "names of weights stay"
    model.save_pretrained(tmp_path / "a.safetensors", torch.float16, step=3)
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata()["header_sha256"] == header


def test_every_shipped_model_is_pinned():
    assert FINGERPRINTS.keys() == pretrained.list_models().keys()


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_every_card_states_the_licences_of_weights_and_data(name):
    card = " ".join((pretrained.FOLDER / f"{name}.md").read_text(encoding="utf-8").split())
    assert "The weights are under CC BY 4.0, with attribution to" in card
    assert "LibriSpeech" in card and card.count("CC BY 4.0") >= 2, "of the data, and of the weights"
