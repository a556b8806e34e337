"""What tests of commands share."""

from pathlib import Path

import pytest

from tests.models.test_vqvae import model as small_model
from vqspeech import VQVAE


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of the voices `high` and `low`, not trained."""
    path = tmp_path_factory.mktemp("exp") / "small" / "best.safetensors"
    small_model().save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> VQVAE:
    return VQVAE.from_pretrained(checkpoint)
