"""A training that is killed and resumed, beside one that is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vqspeech.models import checkpoint
from vqspeech.training.trainer import Trainer


def check_resuming(make: Callable[[Path], Trainer], folder: Path, monkeypatch, killed_at: int = 5, saved_at: int = 3):
    """Train in `folder`/whole, and in `folder`/killed with a kill in a step; losses and last checkpoints are the same.

    Args:
        make: Makes the trainer of a folder.
        folder: Where they train.
        monkeypatch: Of the test.
        killed_at: The step that is killed.
        saved_at: The step of the last checkpoint before it.
    """
    whole = make(folder / "whole").train()
    killed, one_step = make(folder / "killed"), Trainer._one_step

    def dying(self, counts):
        if self.step == killed_at:
            raise SystemExit("killed here")
        return one_step(self, counts)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_one_step", dying)
        with pytest.raises(SystemExit):
            killed.train()
    resumed = make(folder / "killed")
    assert resumed.step == saved_at, "the last checkpoint before the kill"
    assert resumed.train().losses == whole.losses[saved_at:] and len(whole.losses) == whole.step > killed_at
    a, b = (checkpoint.read(folder / run / "last.safetensors")[0] for run in ("whole", "killed"))
    assert a.keys() == b.keys()
    # The pitch of a voice that was never voiced is not a number.
    assert all(torch.equal(a[key], b[key]) for key in a if not key.endswith("pitch"))
