"""The models by torch.hub."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import buzz
from vqspeech.models.coder import Coder

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "model"), [("units", "units"), ("units_small", "units-small"), ("voice", "voice"), ("world", "world")]
)
def test_they_are_those_that_come_along(name, model, monkeypatch):
    monkeypatch.setattr(sys, "path", [one for one in sys.path if Path(one or ".").resolve() != ROOT])
    found = torch.hub.load(str(ROOT), name, source="local")
    assert isinstance(found, Coder)
    wave = buzz(1.0, 120)
    assert np.array_equal(found.encode(wave), Coder.from_pretrained(model).encode(wave))
