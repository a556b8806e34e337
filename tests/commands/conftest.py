"""Fixtures of tests of commands."""

from pathlib import Path

import pytest

from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a small, untrained model with the voices `high` and `low`."""
    path = tmp_path_factory.mktemp("exp") / "small" / "best.safetensors"
    small_model().save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> VQVAE:
    return VQVAE.from_pretrained(checkpoint)
